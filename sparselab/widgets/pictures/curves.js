// Learning curves: values under the pointer, zoom by dragging, pan with Shift, a legend that hides, smoothing, a logarithmic axis.
const SMOOTHING = { none: 0, some: 0.6, much: 0.9, most: 0.97 };
const HELP = "Drag to zoom, Shift and drag to move, double-click to see all. Keys: ← → values, ↑ ↓ other axes, + − zoom, 0 all.";

KINDS.curves = (root, model) => {
    const SIZE = { left: 54, right: 12, top: 22, bottom: 36 };
    const id = `sparselab-clip-${(pictures += 1)}`;
    const hidden = new Set(); // entries of the legend that are switched off
    let value = null;
    let plots = [];
    let cursor = null; // {plot, at}
    let pressed = null; // where a drag began

    const log = html("button", { type: "button", title: "logarithmic vertical axes", "aria-pressed": "false" }, "log");
    const all = html("button", { type: "button", title: "show all, as a double-click does" }, "all");
    const smooth = html("select", { title: "smooth the curves; the exact values stay behind them" });
    smooth.append(...Object.entries(SMOOTHING).map(([name, weight]) => html("option", { value: weight }, name)));
    const title = html("span", { class: "sparselab-picture-title" });
    const tools = html("div", { class: "sparselab-picture-tools" }, title, html("label", {}, "smoothing ", smooth), log, all);
    const canvas = svg("svg", { class: "sparselab-curves", tabindex: "0", role: "img", width: "100%" });
    const legend = html("div", { class: "sparselab-picture-legend", role: "group", "aria-label": "legend: show or hide" });
    const frame = html("div", {}, canvas);
    root.append(tools, frame, legend);
    const words = readout(root);

    const span = () => {
        const chosen = model.get("choices").span;
        return chosen && chosen[0] < value.ends[1] ? chosen : value.ends; // a shorter run has begun
    };
    const logarithmic = () => Boolean(model.get("choices").log);
    const zoom = (to) => choose(model, { span: to });
    const visible = (line) => !hidden.has(`run ${value.runs[line.run]}`) && !hidden.has(line.part);
    const clamped = ([low, high]) => {
        const [first, last] = value.ends;
        const width = Math.min(high - low, last - first);
        const start = Math.min(Math.max(low, first), last - width);
        return start <= first && start + width >= last ? null : [start, start + width];
    };

    function domain(lines) {
        const [from, to] = span();
        let [low, high] = [Infinity, -Infinity];
        for (const { x, y } of lines.flatMap((line) => [line, ...line.smooth])) {
            for (let i = 0; i < x.length; i += 1) {
                if (x[i] < from || x[i] > to || !Number.isFinite(y[i]) || (logarithmic() && y[i] <= 0)) continue;
                low = Math.min(low, y[i]);
                high = Math.max(high, y[i]);
            }
        }
        if (low > high) return logarithmic() ? [0.1, 1] : [0, 1];
        if (logarithmic()) return [low / 1.08, high * 1.08];
        const margin = 0.04 * (high - low) || 0.05 * Math.abs(high) || 0.5;
        return [low - margin, high + margin];
    }

    function plotOf([metric, label], number) {
        const width = canvas.clientWidth / value.metrics.length;
        const lines = value.lines.filter((line) => line.metric === metric && visible(line));
        const left = number * width + SIZE.left;
        const right = (number + 1) * width - SIZE.right;
        const bottom = canvas.clientHeight - SIZE.bottom;
        const [from, to] = span();
        const [low, high] = domain(lines);
        const height = logarithmic()
            ? (y) => Math.log(y / low) / Math.log(high / low)
            : (y) => (y - low) / (high - low);
        const toX = (x) => left + ((x - from) / (to - from || 1)) * (right - left);
        const fromX = (x) => from + ((x - left) / (right - left)) * (to - from);
        const toY = (y) => bottom - height(y) * (bottom - SIZE.top);
        return { metric, label, lines, left, right, bottom, low, high, from, to, toX, fromX, toY };
    }

    function path({ x, y }, plot) {
        let [text, pen] = ["", "M"];
        for (let i = 0; i < x.length; i += 1) {
            if (!Number.isFinite(y[i]) || (logarithmic() && y[i] <= 0)) {
                pen = "M";
                continue;
            }
            text += `${pen}${plot.toX(x[i]).toFixed(1)} ${plot.toY(y[i]).toFixed(1)}`;
            pen = "L";
        }
        return text;
    }

    function axes(plot) {
        const { left, right, bottom } = plot;
        const most = Math.max(2, Math.min(6, (right - left) / 55));
        const few = ticks(plot.from, plot.to, most, value.whole);
        const across = few.length > 1 ? few : ticks(plot.from, plot.to, 2 * most, value.whole); // one number is no scale
        const up = logarithmic() ? logTicks(plot.low, plot.high) : ticks(plot.low, plot.high, 6);
        const title = { x: left, y: 14, class: "sparselab-axis-title" };
        const parts = [svg("text", title, fitting(plot.label, title, right + SIZE.right - left))];
        for (const tick of up) {
            const y = plot.toY(tick);
            parts.push(svg("line", { x1: left, x2: right, y1: y, y2: y, class: "sparselab-grid" }));
            parts.push(svg("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, short(tick)));
        }
        for (const tick of across) {
            const x = plot.toX(tick);
            parts.push(svg("line", { x1: x, x2: x, y1: SIZE.top, y2: bottom, class: "sparselab-grid" }));
            parts.push(svg("text", { x, y: bottom + 15, "text-anchor": "middle" }, short(tick)));
        }
        for (const [x, text] of value.marks) {
            if (x < plot.from || x > plot.to) continue;
            const place = plot.toX(x);
            parts.push(svg("line", { x1: place, x2: place, y1: SIZE.top, y2: bottom, class: "sparselab-mark" }));
            parts.push(svg("text", { x: place - 4, y: bottom - 5, "text-anchor": "end" }, text));
        }
        const below = { x: (left + right) / 2, y: bottom + 31, "text-anchor": "middle" };
        parts.push(svg("text", below, fitting(value.x, below, right - left + 2 * SIZE.right)));
        return parts;
    }

    // As much of a title as has room: without what follows its comma, or without what stands in brackets.
    function fitting(text, attributes, room) {
        const probe = svg("text", attributes);
        canvas.append(probe);
        const fits = (part) => {
            probe.textContent = part;
            return probe.getComputedTextLength() <= room;
        };
        const parts = [text, text.split(", ")[0], text.split(" (")[0]];
        const found = parts.find(fits) ?? parts[2];
        probe.remove();
        return found;
    }

    function stroke(line) {
        const dash = line.part === "train" ? { "stroke-dasharray": "5 3" } : {};
        return { stroke: colour(value.colours, line.run), fill: "none", ...dash };
    }

    function curve(line, plot) {
        const faint = line.smooth.length > 0;
        const parts = [svg("path", { d: path(line, plot), ...stroke(line), class: faint ? "sparselab-behind" : "sparselab-line" })];
        parts.push(...line.smooth.map((one) => svg("path", { d: path(one, plot), ...stroke(line), class: "sparselab-line" })));
        if (line.x.length > 40) return parts;
        for (let i = 0; i < line.x.length; i += 1) {
            if (!Number.isFinite(line.y[i]) || (logarithmic() && line.y[i] <= 0)) continue;
            const place = { cx: plot.toX(line.x[i]), cy: plot.toY(line.y[i]), r: faint ? 1.5 : 2.5 };
            parts.push(svg("circle", { ...place, fill: colour(value.colours, line.run) }));
        }
        return parts;
    }

    function draw() {
        if (!value || !canvas.clientWidth) return;
        canvas.style.height = `${heightOf(root)}px`;
        plots = value.metrics.map(plotOf);
        const parts = plots.flatMap((plot, number) => {
            const frame = { x: plot.left, y: SIZE.top - 3, width: Math.max(0, plot.right - plot.left), height: plot.bottom - SIZE.top + 6 };
            const clip = svg("clipPath", { id: `${id}-${number}` }, svg("rect", frame));
            const curves = svg("g", { "clip-path": `url(#${id}-${number})` }, ...plot.lines.flatMap((line) => curve(line, plot)));
            return [clip, ...axes(plot), curves];
        });
        canvas.replaceChildren(...parts, svg("g", { class: "sparselab-cursor" }));
        log.setAttribute("aria-pressed", logarithmic());
        all.disabled = !model.get("choices").span;
        smooth.value = model.get("choices").smoothing ?? 0;
        if (cursor) point(cursor.plot, cursor.at, cursor.y, false);
    }

    function entry(key, text, mark) {
        const one = html("button", { type: "button", "aria-pressed": !hidden.has(key) }, mark, text);
        one.addEventListener("click", () => {
            if (!hidden.delete(key)) hidden.add(key);
            one.setAttribute("aria-pressed", !hidden.has(key));
            draw();
        });
        return one;
    }

    function swatch(attributes) {
        const line = svg("line", { x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 2.5, ...attributes });
        return svg("svg", { width: 22, height: 10, "aria-hidden": "true" }, line);
    }

    function drawLegend() {
        const named = value.runs.length > 1 || value.runs[0];
        const runs = named ? value.runs.map((run, i) => entry(`run ${run}`, run, swatch({ stroke: colour(value.colours, i) }))) : [];
        const known = ["train", "test"].filter((part) => value.lines.some((line) => line.part === part));
        const parts = known.map((part) =>
            entry(part, part, swatch({ stroke: "currentColor", ...(part === "train" ? { "stroke-dasharray": "5 3" } : {}) })),
        );
        legend.replaceChildren(...runs, ...parts);
    }

    // Index of the record nearest to `at` among those inside the axes; null where there is none.
    function nearestSeen(line, at, plot) {
        const i = nearest(line.x, Math.min(plot.to, Math.max(plot.from, at)));
        const inside = (j) => line.x[j] >= plot.from && line.x[j] <= plot.to;
        return [i, i + 1, i - 1].find(inside) ?? null;
    }

    // Show the values of the records nearest to `at`; y: where the pointer is, null for the top.
    function point(number, at, y, speak) {
        const plot = plots[number];
        const seen = (line) => nearestSeen(line, at, plot) !== null;
        const lines = plot ? plot.lines.filter(seen) : [];
        if (!lines.length) return words.hide();
        const places = lines.map((line) => line.x[nearestSeen(line, at, plot)]);
        const here = places.reduce((best, place) => (Math.abs(place - at) < Math.abs(best - at) ? place : best));
        cursor = { plot: number, at: here, y };
        const marks = [svg("line", { x1: plot.toX(here), x2: plot.toX(here), y1: SIZE.top, y2: plot.bottom })];
        const texts = [`${value.unit} ${exact(here)}`];
        for (const line of lines) {
            const i = nearestSeen(line, here, plot);
            const place = { cx: plot.toX(line.x[i]), cy: plot.toY(line.y[i]), r: 4, fill: colour(value.colours, line.run) };
            if (Number.isFinite(place.cy)) marks.push(svg("circle", place));
            const elsewhere = line.x[i] === here ? "" : ` (at ${exact(line.x[i])})`;
            texts.push(`${[value.runs[line.run], line.part].filter(Boolean).join(", ")}: ${exact(line.y[i])}${elsewhere}`);
        }
        canvas.querySelector(".sparselab-cursor")?.replaceChildren(...marks);
        words.show(texts, plot.toX(here), frame.offsetTop + (y ?? SIZE.top + 10), speak);
        return undefined;
    }

    function away() {
        cursor = null;
        words.hide();
        canvas.querySelector(".sparselab-cursor")?.replaceChildren();
    }

    function place(event) {
        const box = canvas.getBoundingClientRect();
        const scale = canvas.clientWidth / box.width;
        const x = scale * (event.clientX - box.left);
        const number = Math.min(plots.length - 1, Math.max(0, Math.floor((x / canvas.clientWidth) * plots.length)));
        return { x, y: scale * (event.clientY - box.top), number };
    }

    canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || !plots.length) return;
        const { x, number } = place(event);
        pressed = { x, number, move: event.shiftKey, span: span() };
        canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
        if (!plots.length) return;
        const { x, y, number } = place(event);
        if (!pressed) {
            point(number, plots[number].fromX(x), y, false);
            return;
        }
        const plot = plots[pressed.number];
        const ends = [pressed.x, x].map((one) => Math.min(plot.right, Math.max(plot.left, one))).sort((a, b) => a - b);
        const area = { x: ends[0], width: ends[1] - ends[0], y: SIZE.top, height: plot.bottom - SIZE.top, class: "sparselab-area" };
        if (!pressed.move) canvas.querySelector(".sparselab-cursor").replaceChildren(svg("rect", area));
        words.hide();
    });
    canvas.addEventListener("pointerup", (event) => {
        if (!pressed) return;
        const { x } = place(event);
        const { number, move, span: before, x: start } = pressed;
        pressed = null;
        const plot = plots[number];
        if (!plot || Math.abs(x - start) < 5) return;
        const by = ((x - start) / (plot.right - plot.left)) * (before[1] - before[0]);
        const [low, high] = [start, x].sort((a, b) => a - b).map(plot.fromX);
        zoom(clamped(move ? [before[0] - by, before[1] - by] : [Math.max(low, before[0]), Math.min(high, before[1])]));
    });
    canvas.addEventListener("pointercancel", () => { // the browser scrolls instead
        pressed = null;
        away();
    });
    canvas.addEventListener("pointerleave", () => !pressed && away());
    canvas.addEventListener("blur", away);
    canvas.addEventListener("dblclick", () => zoom(null));

    const scaled = (factor, centre) => clamped(span().map((end) => centre + (end - centre) * factor));
    canvas.addEventListener(
        "wheel",
        (event) => {
            if (!plots.length || !(event.ctrlKey || event.metaKey)) return; // else the page scrolls
            event.preventDefault();
            const { x, number } = place(event);
            zoom(scaled(event.deltaY > 0 ? 1.25 : 0.8, plots[number].fromX(x)));
        },
        { passive: false },
    );

    function step(by) {
        const number = cursor?.plot ?? 0;
        const line = plots[number]?.lines.find((one) => nearestSeen(one, plots[number].to, plots[number]) !== null);
        if (!line) return;
        const now = nearestSeen(line, cursor?.at ?? plots[number].to, plots[number]);
        const index = cursor ? Math.min(line.x.length - 1, Math.max(0, now + by)) : now;
        point(number, line.x[index], null, true);
    }
    const middle = () => cursor?.at ?? (span()[0] + span()[1]) / 2;
    const other = (by) => {
        if (plots.length) point(((cursor?.plot ?? 0) + by + plots.length) % plots.length, middle(), null, true);
    };
    const KEYS = {
        ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => other(-1), ArrowDown: () => other(1),
        "+": () => zoom(scaled(0.5, middle())), "=": () => zoom(scaled(0.5, middle())), "-": () => zoom(scaled(2, middle())), 0: () => zoom(null), Escape: away,
    };
    canvas.addEventListener("keydown", (event) => {
        if (!KEYS[event.key] || !value || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        event.stopPropagation(); // a notebook has keys of its own
        KEYS[event.key]();
    });

    log.addEventListener("click", () => choose(model, { log: !logarithmic() }));
    smooth.addEventListener("change", () => choose(model, { smoothing: Number(smooth.value) }));
    all.addEventListener("click", () => zoom(null));
    model.on("change:choices", draw);

    return {
        update(next) {
            const decoded = (line) => ({ ...line, x: numbers(line.x), y: numbers(line.y) });
            const lines = next.lines.map((line) => ({ ...decoded(line), smooth: line.smooth.map(decoded) }));
            const same = value && JSON.stringify([next.runs, next.metrics, next.lines.length]) === JSON.stringify([value.runs, value.metrics, value.lines.length]);
            value = { ...next, lines };
            canvas.setAttribute("aria-label", `${value.summary} ${HELP}`);
            title.textContent = value.title;
            title.title = HELP;
            if (!same) drawLegend();
            draw();
        },
        resize: draw,
        end: () => model.off("change:choices", draw),
    };
};
