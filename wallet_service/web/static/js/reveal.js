// Shows a password while it is typed: <button hidden data-reveals="id" data-hide="Hide">Show</button>.
export function offerRevealing(root) {
  for (const button of root.querySelectorAll("button[data-reveals][hidden]")) {
    const field = document.getElementById(button.dataset.reveals);
    const show = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-controls", field.id);
    button.addEventListener("click", () => {
      const hidden = field.type === "password";
      field.type = hidden ? "text" : "password";
      button.textContent = hidden ? button.dataset.hide : show;
      field.focus();
    });
  }
}
