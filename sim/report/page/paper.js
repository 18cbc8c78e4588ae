// Paper: light, as wide as a page, with all charts drawn and nothing cut off.

let printing = false;
const onlyPrinted = [];  // copies of tables, gone after printing
const smallestPrint = 0.75;

// Paper has no button that shows more: what is not there is said.
function leftOut(place, shown, all, noun) {
  place.textContent = shown < all ? `${formatCount(shown)} of ${counted(all, noun)}.` : '';
  place.hidden = shown === all;
}

// A page has no sideways scrolling: a table that is too wide gets a little smaller, or goes on below itself, its first
// column repeated.
function fitTable(table) {
  const room = table.parentElement.clientWidth;
  if (table.offsetWidth <= room || !table.tHead) return;
  const widths = [...table.tHead.rows[0].cells].map((cell) => cell.offsetWidth);
  const most = room / smallestPrint;
  const parts = [];
  let width = Infinity;
  for (let c = 1; c < widths.length; ++c) {
    if (width + widths[c] > most) {
      parts.push([0]);
      width = widths[0];
    }
    parts.at(-1).push(c);
    width += widths[c];
  }
  const copies = parts.map((columns, i) => {
    const copy = table.cloneNode(true);
    if (i > 0) copy.caption?.remove();
    for (const row of copy.rows)
      [...row.cells].forEach((cell, c) => { if (!columns.includes(c)) cell.remove(); });
    return copy;
  });
  table.after(...copies);
  table.hidden = true;
  for (const copy of copies) copy.style.zoom = Math.min(1, room / copy.offsetWidth);
  onlyPrinted.push({table, copies});
}

function setPrinting(on) {
  if (printing === on) return;
  printing = on;
  document.documentElement.classList.toggle('printing', on);
  if (on) drawEverything();
  applyTheme();
  if (on) {
    document.querySelectorAll('.scroll > table').forEach(fitTable);
  } else {
    for (const {table, copies} of onlyPrinted.splice(0)) {
      table.hidden = false;
      copies.forEach((copy) => copy.remove());
    }
  }
}
addEventListener('beforeprint', () => setPrinting(true));
addEventListener('afterprint', () => setPrinting(false));
