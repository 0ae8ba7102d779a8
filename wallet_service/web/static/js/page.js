// What scripts add to a page that works without them. Each module finds its own elements by data-attributes.
import { countCharacters } from "./counter.js";
import { showOneTab } from "./tabs.js";
import { offerCopying } from "./copy.js";
import { offerRevealing } from "./reveal.js";
import { closeMenus } from "./menus.js";

const improvements = [countCharacters, showOneTab, offerCopying, offerRevealing];

function improveAll() {
  for (const improve of improvements) improve(document);
}

improveAll();
closeMenus(document);
document.addEventListener("htmx:after:swap", improveAll); // what was put in anew; what is improved already is passed over
