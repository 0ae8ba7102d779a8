// Counts what is typed as wallets do: characters that a person sees, not code units. Spoken once typing rests.
const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;
const REST_MS = 1000;

export function characters(text) {
  return segmenter ? [...segmenter.segment(text)].length : [...text].length;
}

export function countCharacters(root) {
  for (const counter of root.querySelectorAll("[data-counts]:not([data-counting])")) {
    const field = document.getElementById(counter.dataset.counts);
    if (!field) continue;
    counter.dataset.counting = "";
    const spoken = document.createElement("span");
    spoken.className = "unseen";
    spoken.setAttribute("role", "status");
    counter.after(spoken);
    let rest;
    const show = () => {
      const count = characters(field.value.trim());
      counter.textContent = counter.dataset.words.replace("{count}", String(count));
      counter.classList.toggle("over", count > Number(counter.dataset.limit));
    };
    field.addEventListener("input", () => {
      show();
      clearTimeout(rest);
      rest = setTimeout(() => { spoken.textContent = counter.textContent; }, REST_MS);
    });
    show();
  }
}
