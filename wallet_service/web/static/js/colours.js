// A field for a colour gets a picker beside it; the text stays what is sent, and empty means the design's own.
const COLOUR = /^#[0-9a-f]{6}$/i;

for (const beside of document.querySelectorAll("[data-colour]")) {
  const text = document.getElementById(beside.dataset.colour);
  const picker = beside.querySelector("input");
  const follow = () => { picker.value = COLOUR.test(text.value.trim()) ? text.value.trim() : beside.dataset.design; };
  text.addEventListener("input", follow);
  picker.addEventListener("input", () => { text.value = picker.value; });
  follow();
  beside.hidden = false;
}
