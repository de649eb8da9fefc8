// Sorting (by tablesort), filtering and hiding of columns; without it the table stands as it is.
(function () {
  "use strict";
  const table = document.querySelector("table[data-sortable]");
  if (!table) return;
  const status = document.querySelector("[data-status]");
  const controls = document.querySelector(".controls");
  const body = table.tBodies[0];
  const headings = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);

  // tablesort's "ascending" reverses what a comparison puts first, so these put the largest first.
  const figure = (text) => (Number.isNaN(parseFloat(text)) ? -Infinity : parseFloat(text));
  Tablesort.extend("figure", () => false, (a, b) => figure(b) - figure(a) || 0);
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  Tablesort.extend("words", () => false, (a, b) => words.compare(b, a));

  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    while (heading.firstChild) button.append(heading.firstChild);
    heading.append(button);
    // A column whose first sort is to be ascending; tablesort turns what it finds.
    heading.addEventListener("click", () => {
      if (heading.dataset.first === "ascending" && !heading.hasAttribute("aria-sort")) {
        heading.setAttribute("aria-sort", "descending");
      }
    }, true);
  }
  new Tablesort(table, { descending: true });
  for (const heading of headings) {
    heading.removeAttribute("tabindex");
    heading.removeAttribute("role");
  }

  table.addEventListener("afterSort", () => {
    const sorted = headings.find((heading) => heading.hasAttribute("aria-sort"));
    if (!sorted) return;
    const column = sorted.cellIndex;
    // What was not measured stands last, whichever way the rest is sorted.
    body.append(...Array.from(body.rows).filter((row) => !row.cells[column].hasAttribute("data-sort")));
    const name = sorted.querySelector("button").firstChild.textContent.trim() || sorted.textContent.trim();
    show();
    status.textContent = "Sorted by " + name + ", " + sorted.getAttribute("aria-sort") + "." + told;
  });

  const filter = controls.querySelector("[data-filter]");
  const unflagged = controls.querySelector("[data-unflagged]");
  const all = document.querySelector("[data-all]");
  const texts = new Map();
  for (const row of body.rows) {
    const flags = Array.from(row.querySelectorAll(".flag"), (flag) => flag.textContent);
    texts.set(row, [row.cells[0].textContent, ...flags].join(" ").toLowerCase());
  }
  let most = 100; // rows laid out at once: browsers take long over tables of tens of thousands of cells
  let told = "";
  function show() {
    const wanted = filter.value.trim().toLowerCase().split(/\s+/);
    let found = 0;
    for (const row of body.rows) {
      const fits = wanted.every((word) => texts.get(row).includes(word));
      const shown = fits && !(unflagged.checked && row.querySelector(".flag"));
      found += shown ? 1 : 0;
      row.hidden = !shown || found > most;
    }
    all.hidden = found <= most;
    told = " " + Math.min(found, most) + " of " + texts.size + " models shown.";
  }
  function refresh() {
    show();
    status.textContent = told.trim();
  }
  filter.addEventListener("input", refresh);
  unflagged.addEventListener("change", refresh);
  all.addEventListener("click", () => {
    most = Infinity;
    refresh();
    body.rows[100].querySelector("a").focus();
  });
  for (const box of controls.querySelectorAll("[data-group]")) {
    box.addEventListener("change", () => table.classList.toggle("hide-" + box.dataset.group, !box.checked));
  }
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.reset();
  controls.hidden = false;
  show();
})();
