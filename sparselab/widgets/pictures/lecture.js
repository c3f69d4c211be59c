// A button that makes the panel around it one large picture, on the whole screen where the browser allows it, and back again.
export default {
    render({ model, el }) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "jupyter-button widget-button";
        Object.assign(button.style, { width: "auto", margin: "2px" });
        button.title = "one large picture with one button, on the whole screen";
        const panel = () => el.closest(".sparselab-panel");
        const choose = (on) => {
            model.set("value", on);
            model.save_changes();
        };
        const draw = () => (button.textContent = model.get("description"));
        const left = () => document.fullscreenElement || !model.get("value") || choose(false);
        button.addEventListener("click", () => {
            const on = !model.get("value");
            choose(on);
            // Where it is refused, the panel is large in its place.
            if (on) panel()?.requestFullscreen?.().catch(() => {});
            else if (document.fullscreenElement) document.exitFullscreen();
        });
        document.addEventListener("fullscreenchange", left);
        model.on("change:description", draw);
        el.append(button);
        draw();
        return () => {
            document.removeEventListener("fullscreenchange", left);
            model.off("change:description", draw);
        };
    },
};
