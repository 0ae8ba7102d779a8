// The form of an offer: quick choices of dates, the code from title and day, finding a store. Each works without it.
const LONGEST_CODE = 60;

function plain(text) {
  return text.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

function proposed(title, begins) {
  const slug = plain(title).slice(0, LONGEST_CODE).replace(/-+$/, "") || "offre";
  const day = /^\d\d(\d\d)-(\d\d)-(\d\d)/.exec(begins);
  return day ? `${slug}-${day[1]}${day[2]}${day[3]}` : slug;
}

function chooseSpans(form) {
  for (const button of form.querySelectorAll("[data-begins]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      for (const [name, value] of [["starts_at_local", button.dataset.begins], ["ends_at_local", button.dataset.ends]]) {
        const field = form.elements[name];
        if (!field) continue;
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    });
  }
}

function proposeCode(form) {
  const [code, title, begins] = [form.elements.code, form.querySelector("[data-titles]"), form.elements.starts_at_local];
  if (!code || !title || !begins) return;
  let last = code.value === proposed(title.value, begins.value) ? code.value : "";
  const propose = () => {
    if (code.value !== last) return; // somebody has chosen another one
    last = title.value.trim() ? proposed(title.value, begins.value) : "";
    code.value = last;
  };
  title.addEventListener("input", propose);
  begins.addEventListener("input", propose);
}

function findStores(form) {
  for (const part of form.querySelectorAll("[data-filters]")) {
    const list = document.getElementById(part.dataset.filters);
    const field = part.querySelector("input");
    part.hidden = false;
    field.addEventListener("input", (event) => {
      event.stopPropagation(); // finding changes nothing of the offer
      const letters = plain(field.value);
      for (const label of list.querySelectorAll("label")) label.hidden = !plain(label.textContent).includes(letters);
    });
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  }
}

for (const form of document.querySelectorAll("[data-offer-form]")) {
  chooseSpans(form);
  proposeCode(form);
  findStores(form);
}
