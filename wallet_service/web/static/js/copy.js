// A button beside something worth copying: <button hidden data-copies="id of the text" data-done="Copied">.
export function offerCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copies][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
      const status = document.getElementById("status");
      if (status) status.textContent = button.dataset.done;
      button.textContent = button.dataset.done;
    });
  }
}
