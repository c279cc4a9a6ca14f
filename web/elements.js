// DOM in one expression. Text goes in as text, never as markup: names come from strangers.

export function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === 'dataset') Object.assign(made.dataset, value);
        else if (name in made) made[name] = value;
        else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
}

export const byId = id => document.getElementById(id);
