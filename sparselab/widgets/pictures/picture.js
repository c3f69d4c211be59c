// A picture of the kind that its value names, drawn anew whenever the kernel sends another value.
export default {
    render({ model, el }) {
        el.classList.add("sparselab-picture");
        let [kind, picture, width] = [null, null, 0];
        const update = () => {
            const value = model.get("value");
            if (!value.kind) return;
            if (kind !== value.kind) {
                picture?.end();
                el.replaceChildren();
                kind = value.kind;
                picture = KINDS[kind](el, model);
            }
            picture.update(value);
            el.dataset.version = Number(el.dataset.version ?? 0) + 1;
        };
        const observer = new ResizeObserver(() => {
            if (el.clientWidth === width) return;
            width = el.clientWidth;
            requestAnimationFrame(() => picture?.resize());
        });
        observer.observe(el);
        model.on("change:value", update);
        update();
        return () => {
            observer.disconnect();
            model.off("change:value", update);
            picture?.end();
        };
    },
};
