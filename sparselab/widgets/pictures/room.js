// Tells how many characters of a font of one width fit into a line of the box around it, whenever its width changes.
const BESIDE = 28; // pixels of a line that a list needs for its border, its padding and its scroll bar

export default {
    render({ model, el }) {
        Object.assign(el.style, { width: "100%", height: "0", margin: "0", minHeight: "0" });
        const pen = document.createElement("canvas").getContext("2d");
        const measure = () => {
            if (!el.clientWidth) return; // in a tab that is not open
            pen.font = getComputedStyle(el).font;
            const value = Math.max(1, Math.floor(((el.clientWidth - BESIDE) * 100) / pen.measureText("0".repeat(100)).width));
            if (value === model.get("value")) return;
            model.set("value", value);
            model.save_changes();
        };
        const observer = new ResizeObserver(() => requestAnimationFrame(measure));
        observer.observe(el);
        return () => observer.disconnect();
    },
};
