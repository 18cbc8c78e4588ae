// Elements, sections and the line that says what is under the pointer.

// element('td', {class: 'text', onclick: f}, 'a text', another) makes <td>.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
  return made;
}

// A section of the page, and its place in the navigation.
function section(id, title, ...children) {
  const made = element('section', {id, 'aria-labelledby': `${id}-title`},
    element('h2', {id: `${id}-title`}, title), ...children);
  document.getElementById('main').append(made);
  document.getElementById('nav').append(element('a', {href: `#${id}`}, title));
  return made;
}

// A long name may break after its dots and underscores.
const breakable = (name) => name.split(/(?<=[._])/).flatMap((part, i) => i ? [element('wbr'), part] : [part]);

function choice(label, options, chosen, onchange) {
  const select = element('select', {onchange: () => onchange(select.value)},
    options.map(([value, text]) => element('option', {value, selected: value === chosen}, text)));
  return element('label', {}, label, select);
}

const tip = {
  element: document.getElementById('tip'),
  show(text, x, y) {
    this.element.hidden = !text;
    if (!text) return;
    if (this.element.textContent !== text) this.element.textContent = text;
    const {offsetWidth: width, offsetHeight: height} = this.element;
    this.element.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 6))}px`;
    this.element.style.top = `${y + 16 + height > innerHeight ? Math.max(4, y - height - 12) : y + 16}px`;
  },
  hide() { this.element.hidden = true; },
};

// Gives the text to the browser as a file.
function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  element('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
