// A matrix or an image as coloured cells: what a cell holds is read under the pointer; links are zoomed into by dragging.
// The colour of a share in [0, 1], between hexadecimal stops.
function shade(stops, share) {
    const place = share * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const part = (text, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16);
    return [0, 1, 2].map((i) => Math.round(part(stops[low], i) + (place - low) * (part(stops[low + 1], i) - part(stops[low], i))));
}

KINDS.cells = (root, model) => {
    let value = null;
    let at = null; // [row, column] of the cell that is read
    let pressed = null;

    const title = html("span", { class: "sparselab-picture-title" });
    const all = html("button", { type: "button", title: "show the whole layer, as a double-click does" }, "all");
    const canvas = html("canvas", { tabindex: "0", role: "img" });
    const cell = html("div", { class: "sparselab-cell", hidden: "" });
    const area = html("div", { class: "sparselab-window", hidden: "" });
    const box = html("div", { class: "sparselab-cells" }, canvas, cell, area);
    const scale = html("div", { class: "sparselab-scale" });
    const fields = html("div", { class: "sparselab-fields", role: "status", hidden: "" });
    root.append(html("div", { class: "sparselab-picture-tools" }, title, all), html("div", { class: "sparselab-cells-frame" }, box, html("div", { class: "sparselab-side" }, scale, fields)));
    const words = readout(root);

    const range = ({ first, step, end }, i) => [first + i * step, Math.min(end, first + (i + 1) * step) - 1];
    const size = (axis, i) => 1 + range(axis, i)[1] - range(axis, i)[0];
    const possible = (row, column) => size(value.rows, row) * size(value.columns, column);
    const digits = (one) => exact(Number(one.toPrecision(8))); // what a float32 holds
    const named = (axis, i) => {
        const [low, high] = range(axis, i);
        if (axis.labels) return `${axis.name} ${axis.labels[i]}`;
        return `${axis.name} ${exact(low)}${high > low ? `–${exact(high)}` : ""}`;
    };

    function paint() {
        const [rows, columns] = [value.rows.count, value.columns.count];
        [canvas.width, canvas.height] = [columns, rows];
        const context = canvas.getContext("2d");
        const pixels = context.createImageData(columns, rows);
        const shades = Array.from({ length: 256 }, (_, i) => [...shade(value.colours, i / 255), 255]);
        value.cells[0][1].forEach((one, i) => {
            const share = one / possible(Math.floor(i / columns), i % columns) / value.top;
            pixels.data.set(shades[Math.round(255 * Math.min(1, Math.max(0, share)))], 4 * i);
        });
        context.putImageData(pixels, 0, 0);
    }

    function arrange() {
        if (!value || !root.clientWidth) return;
        const [rows, columns] = [value.rows.count, value.columns.count];
        const labelled = Boolean(value.rows.labels);
        box.classList.toggle("sparselab-labelled", labelled);
        const around = labelled ? 130 : 60;
        // In a lecture the scale stands on the right, so that the height is the picture's.
        const most = root.closest(".sparselab-lecture") ? root.clientWidth - around - 150 : Math.min(440, root.clientWidth - around);
        const high = heightOf(root) - (labelled ? 70 : 0);
        const side = Math.min(most / columns, high / rows);
        const [width, height] = value.square ? [side * columns, side * rows] : [most, high];
        [box.style.width, box.style.height] = [`${width}px`, `${height}px`];
        box.querySelectorAll(".sparselab-tick").forEach((one) => one.remove());
        const mark = (text, place) => {
            const one = html("span", { class: "sparselab-tick", "aria-hidden": "true" }, text);
            Object.assign(one.style, place);
            box.append(one);
        };
        const [below, beside] = labelled ? [76, 90] : [2, 4];
        const turned = { writingMode: "vertical-rl", transform: "translateY(-50%) rotate(180deg)" };
        mark(value.columns.name, { top: `calc(100% + ${below}px)`, left: "50%", transform: "translateX(-50%)" });
        mark(value.rows.name, { right: `calc(100% + ${beside}px)`, top: "50%", ...turned });
        if (labelled) writeNames(mark, width, height);
        else writeEnds(mark);
        outline(cell, at && [at[0], at[0] + 1, at[1], at[1] + 1]);
    }

    function writeEnds(mark) {
        const ends = (axis) => [short(axis.first), short(axis.end - 1)];
        const [[top, bottom], [left, right]] = [ends(value.rows), ends(value.columns)];
        mark(top, { right: "calc(100% + 4px)", top: "0" });
        mark(bottom, { right: "calc(100% + 4px)", bottom: "0" });
        mark(left, { top: "calc(100% + 2px)", left: "0" });
        mark(right, { top: "calc(100% + 2px)", right: "0" });
    }

    // The names of rows and columns, as many as have room, and what stands in the cells.
    function writeNames(mark, width, height) {
        const [rows, columns] = [value.rows.count, value.columns.count];
        const middle = (i, count) => `${(100 * (i + 0.5)) / count}%`;
        for (let i = 0; i < rows; i += Math.ceil((13 * rows) / height)) {
            mark(value.rows.labels[i], { right: "calc(100% + 4px)", top: middle(i, rows), transform: "translateY(-50%)" });
        }
        for (let i = 0; i < columns; i += Math.ceil((13 * columns) / width)) {
            const place = { top: "calc(100% + 4px)", left: middle(i, columns), transform: "translateX(-50%)" };
            mark(value.columns.labels[i], { ...place, writingMode: "vertical-rl" });
        }
        value.words.forEach((text, i) => {
            const place = { left: middle(i % columns, columns), top: middle(Math.floor(i / columns), rows) };
            const color = value.cells[0][1][i] > 0.5 ? "white" : "#222";
            mark(text, { ...place, color, transform: "translate(-50%, -50%)", pointerEvents: "none" });
        });
    }

    function outline(one, window) {
        one.hidden = !window;
        if (!window) return;
        const [rows, columns] = [value.rows.count, value.columns.count];
        const [top, bottom, left, right] = window;
        one.style.top = `${(100 * top) / rows}%`;
        one.style.height = `${(100 * (bottom - top)) / rows}%`;
        one.style.left = `${(100 * left) / columns}%`;
        one.style.width = `${(100 * (right - left)) / columns}%`;
    }

    function drawScale() {
        const stops = value.colours.map((stop) => `#${stop}`).join(", ");
        const bar = html("div", { class: "sparselab-scale-bar", style: `background: linear-gradient(to right, ${stops})` });
        const most = `${value.more ? "≥ " : ""}${short(Number(value.top.toPrecision(3)))}`;
        const numbered = html("div", { class: "sparselab-scale-ends" }, html("span", {}, "0"), html("span", {}, most));
        scale.replaceChildren(value.unit, bar, numbered, ...(value.notes ?? []).map((line) => html("div", {}, line)));
    }

    // What the neurons see that have links from the chosen pixel: blue excites, orange inhibits.
    function drawFields() {
        fields.hidden = !value.fields;
        if (fields.hidden) return;
        const { neurons, shape, top } = value.fields;
        const weights = numbers(value.fields.values, Float32Array);
        const tiles = neurons.map((neuron, number) => {
            const one = html("canvas", { role: "img", "aria-label": `weights of hidden neuron ${neuron}` });
            [one.height, one.width] = shape;
            const context = one.getContext("2d");
            const image = context.createImageData(one.width, one.height);
            const size = one.width * one.height;
            weights.subarray(number * size, (number + 1) * size).forEach((weight, i) => {
                image.data.set([...(weight < 0 ? [213, 94, 0] : [0, 114, 178]), 255 * Math.min(1, Math.abs(weight) / top)], 4 * i);
            });
            context.putImageData(image, 0, 0);
            return html("div", {}, one, html("div", {}, `neuron ${exact(neuron)}`));
        });
        const meaning = tiles.length ? " (weights: blue positive, orange negative)" : "";
        fields.replaceChildren(html("div", { class: "sparselab-fields-title" }, value.fields.title + meaning), ...tiles);
    }

    function pick(pixel) {
        const [row, column] = model.get("choices").pixel ?? [];
        choose(model, { pixel: row === pixel[0] && column === pixel[1] ? null : pixel });
    }

    function read(row, column, speak) {
        at = [row, column];
        outline(cell, [row, row + 1, column, column + 1]);
        const place = row * value.columns.count + column;
        const detail = (details, i) => details.filter(([, data]) => !Number.isNaN(data[i])).map(([name, data]) => `${name}: ${digits(data[i])}`);
        const lines = [
            `${named(value.rows, row)}, ${named(value.columns, column)}`,
            ...detail(value.cells, place),
            ...detail(value.rows.details, row),
            ...detail(value.columns.details, column),
        ];
        if (possible(row, column) > 1) lines[1] += ` of ${exact(possible(row, column))} possible`;
        const [x, y] = [(column + 1) / value.columns.count, row / value.rows.count];
        words.show(lines, box.offsetLeft + x * box.clientWidth, box.offsetTop + y * box.clientHeight, speak);
    }

    function away() {
        at = null;
        outline(cell, null);
        words.hide();
    }

    function place(event) {
        const { left, top, width, height } = canvas.getBoundingClientRect();
        const inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
        return [inside((event.clientY - top) / height, value.rows.count), inside((event.clientX - left) / width, value.columns.count)];
    }

    const dragged = (from, to) => {
        const [top, bottom] = [from[0], to[0]].sort((a, b) => a - b);
        const [left, right] = [from[1], to[1]].sort((a, b) => a - b);
        return [top, bottom + 1, left, right + 1];
    };
    const zoom = (window) => choose(model, { window, of: value.key });

    canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || !value?.zoom) return;
        pressed = place(event);
        canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
        if (!value) return;
        const here = place(event);
        read(...here, false);
        outline(area, pressed && dragged(pressed, here));
    });
    canvas.addEventListener("pointerup", (event) => {
        if (!pressed) return;
        const window = dragged(pressed, place(event));
        pressed = null;
        outline(area, null);
        if (window[1] - window[0] < 2 && window[3] - window[2] < 2) return;
        const [rows, columns] = [value.rows, value.columns];
        zoom([
            range(rows, window[0])[0], range(rows, window[1] - 1)[1] + 1,
            range(columns, window[2])[0], range(columns, window[3] - 1)[1] + 1,
        ]);
    });
    canvas.addEventListener("pointercancel", () => { // the browser scrolls instead
        pressed = null;
        outline(area, null);
    });
    canvas.addEventListener("pointerleave", () => !pressed && away());
    canvas.addEventListener("blur", away);
    canvas.addEventListener("click", (event) => value?.pick && pick(place(event)));
    canvas.addEventListener("dblclick", () => value?.zoom && zoom(null));
    all.addEventListener("click", () => zoom(null));

    const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    canvas.addEventListener("keydown", (event) => {
        if (!value || event.ctrlKey || event.metaKey || event.altKey) return;
        const step = STEPS[event.key];
        const around = (centre, axis) => {
            const [low, high] = [range(axis, Math.max(0, centre - (axis.count >> 2)))[0], range(axis, Math.min(axis.count - 1, centre + (axis.count >> 2)))[1] + 1];
            return [low, high];
        };
        if (step) {
            const [row, column] = at ?? [-step[0], -step[1]];
            const inside = (i, count) => Math.min(count - 1, Math.max(0, i));
            read(inside(row + step[0], value.rows.count), inside(column + step[1], value.columns.count), true);
        } else if (event.key === "+" && value.zoom) {
            const [row, column] = at ?? [value.rows.count >> 1, value.columns.count >> 1];
            zoom([...around(row, value.rows), ...around(column, value.columns)]);
        } else if (event.key === "0" && value.zoom) zoom(null);
        else if (event.key === "Enter" && value.pick && at) pick(at);
        else if (event.key === "Escape") away();
        else return;
        event.preventDefault();
        event.stopPropagation(); // a notebook has keys of its own
    });

    return {
        update(next) {
            const decoded = (details) => details.map(([name, data]) => [name, numbers(data, Float32Array)]);
            const axis = (one) => ({ ...one, details: decoded(one.details) });
            value = { ...next, cells: decoded(next.cells), rows: axis(next.rows), columns: axis(next.columns) };
            if (at && (at[0] >= value.rows.count || at[1] >= value.columns.count)) away();
            canvas.setAttribute("aria-label", `${value.summary} Keys: arrows read a cell${value.zoom ? ", + zooms in, 0 shows all" : ""}${value.pick ? ", Enter shows who sees it" : ""}.`);
            title.textContent = value.title;
            title.title = value.zoom ? "Drag to zoom in, double-click to see all" : "";
            all.hidden = !value.zoom;
            all.disabled = !value.zoomed;
            paint();
            arrange();
            drawScale();
            drawFields();
            if (at) read(...at, false);
        },
        resize: arrange,
        end() {},
    };
};
