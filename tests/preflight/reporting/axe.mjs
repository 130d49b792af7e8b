// The pages as a reader has them: axe-core in Chromium, wide and on a phone, light and dark.
// make axe     (needs node, npm and Chromium; CHROMIUM=/path/to/it)
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const tools = createRequire(resolve("build/axe/package.json"));
const { chromium } = tools("playwright-core");
const axe = readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");

// The newest of each page that was made; the first has to be there.
const pages = ["report", "monitoring", "experiment"].flatMap((name) => {
  const folder = `data/08_reporting/${name}.html`;
  const newest = existsSync(folder) ? readdirSync(folder).sort().at(-1) : undefined;
  return newest ? [{ name, path: resolve(folder, newest, `${name}.html`) }] : [];
});
if (pages[0]?.name !== "report") throw new Error("There is no report yet: make run");

const LARGEST = 3_000_000; // bytes
const SLOWEST = 2_000; // milliseconds until it is loaded
const SMALLEST = 12; // pixels of text, 10 in figures

async function faults(tab) {
  await tab.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  const found = await tab.evaluate((smallest) => {
    const root = document.documentElement;
    const texts = [...document.querySelectorAll("body *")].filter((e) =>
      [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()),
    );
    const size = (e) => {
      const svg = e.closest("svg"); // is drawn in points, and scaled to the page
      const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
      return parseFloat(getComputedStyle(e).fontSize) * scale + (svg ? 2 : 0);
    };
    const small = texts.filter((e) => e.tagName !== "title" && size(e) < smallest);
    return [
      ...(root.scrollWidth > root.clientWidth ? [`is ${root.scrollWidth} px wide`] : []),
      ...small.map((e) => `has small text: ${e.textContent.trim().slice(0, 40)}`),
    ];
  }, SMALLEST);
  await tab.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await tab.evaluate((runOnly) => axe.run(document, { runOnly }), tags);
  return [...found, ...violations.map((v) => `${v.id} in ${v.nodes.length}: ${v.help}`)];
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu"],
});
const all = [];
for (const { name, path } of pages) {
  const picture = await browser.newPage({ viewport: { width: 1000, height: 690 } });
  await picture.goto(`file://${path}`, { waitUntil: "load" });
  await picture.screenshot({ path: `build/axe/${name}.png` }); // docs/images has some
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      const tab = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      const began = performance.now();
      await tab.goto(`file://${path}`, { waitUntil: "load" });
      const took = performance.now() - began;
      const found = await faults(tab);
      if (took > SLOWEST) found.push(`takes ${took.toFixed(0)} ms to open`);
      console.log(`${name}, ${width} px, ${colorScheme}: opened in ${took.toFixed(0)} ms, ${found.length} faults`);
      all.push(...found.map((fault) => `${name}, ${width} px, ${colorScheme}: ${fault}`));

      // The same page with defects: what finds nothing there finds nothing here.
      await tab.evaluate(() => {
        document.body.insertAdjacentHTML(
          "beforeend",
          '<p style="color: #888; background: #999; font-size: 10px; width: 3000px; max-width: none">pale</p><img src="data:,">',
        );
      });
      const planted = (await faults(tab)).join(" ");
      for (const sign of ["px wide", "small text: pale", "color-contrast", "image-alt"]) {
        if (!planted.includes(sign)) all.push(`a planted defect was not found: ${sign}`);
      }
      await tab.close();
    }
  }
  const bytes = statSync(path).size;
  if (bytes > LARGEST) all.push(`${name} has ${bytes} bytes`);
}
await browser.close();
console.log(all.length ? all.join("\n") : "no fault");
process.exit(all.length ? 1 : 0);
