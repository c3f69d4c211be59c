// Takes a file that is dropped onto the tab around this widget, and shows that it would be taken while it is dragged there.
const OVER = "sparselab-over";

export default {
    render({ model, el }) {
        el.style.display = "none";
        let tab = null;
        const over = (event) => {
            if (!event.dataTransfer.types.includes("Files")) return;
            event.preventDefault(); // or the browser opens the file in place of the page
            tab.classList.add(OVER);
        };
        const leave = (event) => {
            if (!tab.contains(event.relatedTarget)) tab.classList.remove(OVER);
        };
        const drop = async (event) => {
            tab.classList.remove(OVER);
            const file = event.dataTransfer.files[0];
            if (!file) return;
            event.preventDefault();
            model.send({ name: file.name }, undefined, [await file.arrayBuffer()]);
        };
        const listeners = { dragover: over, dragleave: leave, drop };
        requestAnimationFrame(() => {
            tab = el.closest(".sparselab-data");
            for (const [name, listener] of Object.entries(listeners)) tab?.addEventListener(name, listener);
        });
        return () => {
            for (const [name, listener] of Object.entries(listeners)) tab?.removeEventListener(name, listener);
        };
    },
};
