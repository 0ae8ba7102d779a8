// Anchors to panels become tabs: one panel at a time. A panel with a fault comes first; links into a panel open it.
export function showOneTab(root) {
  for (const bar of root.querySelectorAll("[data-tabs]:not([data-tabbing])")) {
    bar.dataset.tabbing = "";
    const links = [...bar.querySelectorAll("a[href^='#']")];
    const panelOf = (link) => document.getElementById(link.hash.slice(1));
    const show = (chosen) => {
      for (const link of links) {
        panelOf(link)?.toggleAttribute("hidden", link !== chosen);
        if (link === chosen) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    };
    const holding = (id) => links.find((link) => {
      const target = id && document.getElementById(id);
      return target && panelOf(link)?.contains(target);
    });
    for (const link of links) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        show(link);
      });
    }
    // a link of the summary leads to a field that may be in a panel that is closed
    document.addEventListener("click", (event) => {
      const anchor = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
      const link = anchor && !links.includes(anchor) ? holding(anchor.hash.slice(1)) : null;
      if (link) show(link);
    }, true);
    show(links.find((link) => panelOf(link)?.querySelector("[aria-invalid]")) ?? holding(location.hash.slice(1)) ?? links[0]);
  }
}
