// A small plot of the last minute of one number. The number itself stands beside it as text, so the
// drawing is hidden from screen readers.

const POINTS = 60;

export class LinePlot {
    #canvas;
    #values = [];

    constructor(canvas) {
        this.#canvas = canvas;
        canvas.setAttribute('aria-hidden', 'true');
    }

    clear() {
        this.#values = [];
        this.#paint();
    }

    add(value) {
        this.#values.push(value);
        if (this.#values.length > POINTS) this.#values.shift();
        this.#paint();
    }

    #paint() {
        const canvas = this.#canvas;
        const { clientWidth, clientHeight } = canvas;
        if (!clientWidth) return;
        const scale = devicePixelRatio;
        canvas.width = clientWidth * scale;
        canvas.height = clientHeight * scale;
        const context = canvas.getContext('2d');
        context.scale(scale, scale);
        const known = this.#values.filter(value => value !== null);
        if (known.length < 2) return;
        const top = Math.max(...known) * 1.15 || 1;
        const x = i => ((POINTS - this.#values.length + i) / (POINTS - 1)) * clientWidth;
        const y = value => clientHeight - 1.5 - (value / top) * (clientHeight - 4);
        const colour = getComputedStyle(canvas).color;
        context.lineWidth = 1.5;
        context.lineJoin = 'round';
        context.strokeStyle = colour;
        context.fillStyle = colour;
        const parts = [];
        this.#values.forEach((value, i) => {
            if (value === null) return parts.push(null);
            if (!parts.at(-1)) parts.push([]);
            parts.at(-1).push([x(i), y(value)]);
        });
        for (const part of parts.filter(Boolean)) {
            context.beginPath();
            part.forEach(([px, py], i) => i ? context.lineTo(px, py) : context.moveTo(px, py));
            context.globalAlpha = 1;
            context.stroke();
            context.lineTo(part.at(-1)[0], clientHeight);
            context.lineTo(part[0][0], clientHeight);
            context.globalAlpha = 0.14;
            context.fill();
        }
    }
}
