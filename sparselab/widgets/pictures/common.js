// What all pictures share: elements, numbers, axes. KINDS[kind](root, model) makes a picture {update(value), resize()}.
const KINDS = {};
let pictures = 0; // made so far: for ids that are unique in a page

function filled(one, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    one.append(...children);
    return one;
}
const html = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// The values of a buffer; one that starts at any byte is copied first.
const numbers = (data, Type = Float64Array) => new Type(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));

// Black is invisible on a dark page.
const colour = (colours, number) => colours[number % colours.length].replace("#000000", "var(--jp-ui-font-color0, #000)");

// About `most` round numbers from low to high.
function ticks(low, high, most, whole = false) {
    const rough = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * (1 - 1e-9));
    if (whole) step = Math.max(1, Math.round(step));
    const found = [];
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.floor(high / step + 1e-9) - first; // beyond 2^53 a number and its successor are the same
    for (let i = 0; i <= count; i += 1) found.push((first + i) * step);
    return found;
}

// Powers of ten from low to high, with twice and five times as much where there are few.
function logTicks(low, high) {
    const found = [];
    const factors = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        for (const factor of factors) found.push(Number(`${factor}e${power}`));
    }
    return found.filter((tick) => tick >= low && tick <= high);
}

function short(value) {
    return Math.abs(value) >= 1e4 && Math.abs(value) < 1e12 ? value.toLocaleString("en") : String(Number(value.toPrecision(6)));
}

// A number as exactly as the record has it.
const exact = (value) => (Number.isInteger(value) ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(value));

// Index of the value nearest to `at` in ascending numbers.
function nearest(values, at) {
    let low = 0;
    let high = values.length - 1;
    while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (values[middle] < at) low = middle;
        else high = middle;
    }
    return Math.abs(values[low] - at) <= Math.abs(values[high] - at) ? low : high;
}

// Change what the user chose; the kernel answers with other data where it has to.
function choose(model, changes) {
    model.set("choices", { ...model.get("choices"), ...changes });
    model.save_changes();
}

// A box with lines of text beside the pointer, and the same text for screen readers when the keyboard moved the cursor.
function readout(root) {
    const box = html("div", { class: "sparselab-readout", hidden: "" });
    const spoken = html("div", { class: "sparselab-spoken", role: "status" });
    root.append(box, spoken);
    return {
        show(lines, x, y, speak) {
            box.replaceChildren(...lines.map((line) => html("div", {}, line)));
            box.hidden = false;
            const right = x + 14 + box.offsetWidth > root.clientWidth;
            box.style.left = `${Math.max(0, right ? x - 14 - box.offsetWidth : x + 14)}px`;
            box.style.top = `${Math.max(0, y - 10)}px`;
            if (speak) spoken.textContent = lines.join(", ");
        },
        hide() {
            box.hidden = true;
        },
    };
}
