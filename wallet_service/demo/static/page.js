// Live pictures, moves without a reload, and copying. The page works without all of it.
const { language, copy, copied, lost } = document.body.dataset;
const status = document.getElementById("status");

function replace(fragment, html) {
  const place = document.querySelector(`[data-fragment="${fragment}"]`);
  if (place.innerHTML === html) return;
  const hadFocus = place.contains(document.activeElement);
  place.innerHTML = html;
  if (hadFocus) place.querySelector("button")?.focus();
}

function show(change) {
  for (const [name, picture] of Object.entries(change.pictures)) {
    const image = document.getElementById(`picture-${name}`);
    if (image.getAttribute("src") !== picture.src) image.src = picture.src;
    image.alt = picture.alt;
  }
  for (const [name, html] of Object.entries(change.fragments)) replace(name, html);
  if (change.news) document.getElementById("news").textContent = change.news;
}

const events = new EventSource(`/events?lang=${language}`);
events.addEventListener("message", (event) => show(JSON.parse(event.data)));
events.addEventListener("open", () => { if (status.textContent === lost) status.textContent = ""; });
events.addEventListener("error", () => { status.textContent = lost; });

// On a narrow screen the phones lie in a row: bring the one forward that is about to change.
function bringForward(name) {
  const row = document.querySelector(".screens");
  const figure = document.getElementById(`picture-${name}`)?.closest("figure");
  if (figure) row.scrollTo({ left: figure.offsetLeft - (row.clientWidth - figure.clientWidth) / 2 });
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  bringForward(event.target.dataset.shows);
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(event.target.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(event.target)),
    });
    status.textContent = (await answer.json()).message;
  } catch {
    status.textContent = lost;
  } finally {
    button.removeAttribute("aria-busy");
  }
});

for (const command of document.querySelectorAll(".command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button second small";
  button.textContent = copy;
  button.setAttribute("aria-describedby", command.querySelector("h3").id);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.querySelector("code").textContent + "\n");
    button.textContent = copied;
    setTimeout(() => { button.textContent = copy; }, 2000);
  });
  command.querySelector("h3").after(button);
}
