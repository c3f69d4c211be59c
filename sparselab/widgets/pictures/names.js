// Names and values for screen readers: ipywidgets writes them beside a slider, but does not say that they belong to it.
function nameSliders(page) {
    for (const handle of page.querySelectorAll(".noUi-handle")) {
        const slider = handle.closest(".widget-slider");
        const label = slider?.querySelector(".widget-label");
        const value = slider?.querySelector(".widget-readout")?.textContent.trim();
        if (label?.textContent) set(handle, "aria-label", label.textContent.trim());
        if (value) set(handle, "aria-valuetext", value);
    }
    for (const head of page.querySelectorAll(".sparselab-fold > .widget-toggle-button")) {
        set(head, "aria-expanded", head.classList.contains("mod-active"));
    }
}

function set(one, name, value) {
    if (one.getAttribute(name) !== String(value)) one.setAttribute(name, value);
}

export default {
    render({ el }) {
        el.style.display = "none";
        let waiting = false;
        const soon = () => {
            if (waiting) return;
            waiting = true;
            setTimeout(() => {
                waiting = false;
                const page = el.closest(".sparselab-page, .sparselab-panel");
                if (page) nameSliders(page);
            }, 100);
        };
        const observer = new MutationObserver(soon);
        requestAnimationFrame(() => {
            const page = el.closest(".sparselab-page, .sparselab-panel");
            const what = { childList: true, subtree: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] };
            if (page) observer.observe(page, what);
            soon();
        });
        return () => observer.disconnect();
    },
};
