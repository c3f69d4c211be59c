// Links that go and come from event to event: play, pause, scrub; beside them the links of each input pixel.
const STATES = ["no link", "link", "grown", "pruned"];
const PAUSE = 350; // milliseconds from one event to the next

KINDS.stages = (root, model) => {
    let [value, codes, side, columns] = [null, null, 1, 1];
    let [playing, timer] = [false, null];

    const title = html("span", { class: "sparselab-picture-title", role: "status" });
    const play = html("button", { type: "button", class: "sparselab-play" }, "▶ Play");
    const scrub = html("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "event of evolution" });
    const order = html("select", { "aria-label": "order of the neurons" });
    order.append(html("option", { value: "place" }, "by place"), html("option", { value: "strength" }, "strongest first"));
    const neurons = html("div", {});
    const links = html("canvas", { role: "img", "aria-label": "links of single neurons" });
    const map = html("canvas", { role: "img", "aria-label": "links of each input pixel", class: "sparselab-pixels" });
    const legend = html("div", { class: "sparselab-states" }, neurons);
    legend.append(...STATES.slice(1).map((state) => html("span", { class: `sparselab-state-${state}` }, state)));
    const beside = html("div", {}, map, html("div", {}, "links of each input pixel"));
    root.append(
        html("div", { class: "sparselab-picture-tools" }, title, order),
        html("div", { class: "sparselab-picture-tools" }, play, scrub),
        html("div", { class: "sparselab-cells-frame" }, html("div", {}, links, legend), beside),
    );
    const words = readout(root);

    const show = (stage) => choose(model, { stage });
    function run(on) {
        playing = on;
        clearTimeout(timer);
        play.textContent = on ? "⏸ Pause" : "▶ Play";
        if (on) show(value.index < value.last ? value.index + 1 : 0);
    }

    function drawLinks() {
        const [count, height, width] = value.tiles;
        columns = Math.min(6, count);
        const across = columns * width + columns - 1;
        const beside = value.map.length && root.clientWidth > 490 ? 190 : 10; // else the map stands below
        side = Math.max(1, Math.floor(Math.min(root.clientWidth - beside, 460) / across));
        links.width = across * side;
        links.height = (Math.ceil(count / columns) * (height + 1) - 1) * side;
        const context = links.getContext("2d");
        const style = getComputedStyle(root);
        context.fillStyle = style.getPropertyValue("--jp-layout-color2") || "#EEE";
        for (let tile = 0; tile < count; tile += 1) {
            const [x, y] = [(tile % columns) * (width + 1), Math.floor(tile / columns) * (height + 1)];
            context.fillRect(x * side, y * side, width * side, height * side);
        }
        codes.forEach((code, place) => {
            if (!code) return;
            const [tile, inside] = [Math.floor(place / (height * width)), place % (height * width)];
            const x = side * ((tile % columns) * (width + 1) + (inside % width));
            const y = side * (Math.floor(tile / columns) * (height + 1) + Math.floor(inside / width));
            context.fillStyle = code === 1 ? "#0072B2" : code === 2 ? "#D55E00" : style.color;
            if (code < 3) context.fillRect(x, y, side, side);
            else context.fillRect(x + side / 4, y + side / 4, Math.max(1, side / 2), Math.max(1, side / 2)); // a dot remains
        });
    }

    function drawMap() {
        beside.hidden = !value.map.length;
        if (beside.hidden) return;
        [map.height, map.width] = value.map;
        const context = map.getContext("2d");
        const image = context.createImageData(map.width, map.height);
        numbers(value.pixels, Float32Array).forEach((one, i) => image.data.set([...shade(value.colours, one / value.top), 255], 4 * i));
        context.putImageData(image, 0, 0);
    }

    function draw() {
        if (!value || !root.clientWidth) return;
        drawLinks();
        drawMap();
    }

    links.addEventListener("pointermove", (event) => {
        if (!value) return;
        const [count, height, width] = value.tiles;
        const box = links.getBoundingClientRect();
        const scale = links.width / box.width;
        const [left, top] = [scale * (event.clientX - box.left), scale * (event.clientY - box.top)];
        const [x, y] = [left / side, top / side];
        const [across, down] = [Math.floor(x / (width + 1)), Math.floor(y / (height + 1))];
        const [column, row, tile] = [Math.floor(x % (width + 1)), Math.floor(y % (height + 1)), down * columns + across];
        if (column < 0 || row < 0 || column >= width || row >= height || across >= columns || tile >= count) {
            words.hide();
            return;
        }
        const state = STATES[codes[(tile * height + row) * width + column]];
        const where = value.map.length ? `hidden neuron ${value.numbers[tile]}, row ${row}, column ${column}` : `output ${value.numbers[row]}, input ${column}`;
        words.show([where, state], links.offsetLeft + left, links.offsetTop + top, false);
    });
    links.addEventListener("pointerleave", () => words.hide());
    play.addEventListener("click", () => run(!playing));
    order.addEventListener("change", () => choose(model, { order: order.value }));
    scrub.addEventListener("input", () => {
        run(false);
        show(Number(scrub.value));
    });

    return {
        update(next) {
            value = next;
            codes = numbers(next.codes, Uint8Array);
            [scrub.max, scrub.value] = [value.last, value.index];
            play.disabled = !value.last;
            order.hidden = !value.order;
            order.value = model.get("choices").order ?? "place";
            scrub.setAttribute("aria-valuetext", value.title);
            title.textContent = value.title;
            neurons.textContent = value.neurons;
            draw();
            clearTimeout(timer);
            if (playing && value.index < value.last) timer = setTimeout(() => show(value.index + 1), PAUSE);
            else if (playing) run(false);
        },
        resize: draw,
        end: () => clearTimeout(timer),
    };
};
