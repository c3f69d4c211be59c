// Links that save the picture above as a file, which the kernel draws for paper.
const TYPES = { png: "image/png", pdf: "application/pdf", csv: "text/csv", gif: "image/gif" };

export default {
    render({ model, el }) {
        el.classList.add("sparselab-downloads");
        const message = document.createElement("span");
        message.setAttribute("role", "status");
        const buttonOf = (suffix) => {
            const name = suffix.toUpperCase();
            const button = document.createElement("button");
            button.type = "button";
            button.textContent = name;
            button.title = `save this picture as ${name}`;
            button.setAttribute("aria-label", button.title);
            button.addEventListener("click", () => {
                message.textContent = "…";
                model.send({ suffix });
            });
            return button;
        };
        const draw = () => el.replaceChildren("save: ", ...model.get("suffixes").map(buttonOf), message);
        const receive = (content, buffers) => {
            message.textContent = content.error ?? "";
            if (!buffers?.length) return;
            const type = TYPES[content.name.split(".").pop()];
            const address = URL.createObjectURL(new Blob([buffers[0]], { type }));
            const link = Object.assign(document.createElement("a"), { href: address, download: content.name });
            link.click();
            setTimeout(() => URL.revokeObjectURL(address), 10000);
        };
        model.on("msg:custom", receive);
        model.on("change:suffixes", draw);
        draw();
        return () => {
            model.off("msg:custom", receive);
            model.off("change:suffixes", draw);
        };
    },
};
