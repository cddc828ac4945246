// Judges a page in a browser; see .ci/report-browser.
// usage: node report-browser.mjs CHROMIUM PAGE [FOLDER FOR SCREENSHOTS]
import { chromium } from 'playwright-core';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const [executablePath, path, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
const problems = [];
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const start = Date.now();
let reached = 0;

// Opens the page; whatever it says or asks for is a problem.
async function open(options) {
  const name = `${options.viewport.width} ${options.colorScheme}`;
  // axe is put into the page from outside: what the page's own policy forbids is judged before that.
  // Nothing is to be still on its way when it is looked at.
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce', bypassCSP: Boolean(options.bypassCSP) });
  const page = await context.newPage();
  page.on('console', (message) => problems.push(`${name}: console: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(`${name}: error: ${error.message}`));
  page.on('request', (request) => {
    if (request.url() !== `file://${path}`) problems.push(`${name}: asks for ${request.url()}`);
  });
  await page.goto(`file://${path}`);
  return { page, name, context };
}

const fold = (page, open) => page.evaluate((open) => document.querySelectorAll('details').forEach((one) => { one.open = open; }), open);

for (const width of [1280, 390]) {
  for (const colorScheme of ['light', 'dark']) {
    const options = { viewport: { width, height: 900 }, colorScheme };
    const { page, name, context } = await open(options);
    // A style that the policy forbids would leave the page without one.
    const styled = await page.evaluate(() => getComputedStyle(document.querySelector('section')).borderRadius);
    if (styled === '0px') problems.push(`${name}: its style is not let in`);
    for (const open of [false, true]) {
      await fold(page, open);
      const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      if (wide > window) problems.push(`${name}: the body is ${wide} wide, the window ${window}`);
      const out = await page.evaluate(() => {
        // What leaves the window has to lie in something that scrolls.
        const scrolls = (one) => one && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
        const far = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
        return far.filter((one) => !scrolls(one.parentElement)).map((one) => one.outerHTML.slice(0, 120));
      });
      problems.push(...out.slice(0, 3).map((one) => `${name}: runs out of the window: ${one}`));
    }
    if (pictures) await page.screenshot({ path: join(pictures, `${basename(path)}-${width}-${colorScheme}.png`), fullPage: true });

    await fold(page, false);
    const wanted = await page.evaluate(() => {
      const seen = [...document.querySelectorAll('a[href], summary, [tabindex="0"]')].filter((one) => one.checkVisibility());
      seen.forEach((one, at) => { one.dataset.at = at; });
      return seen.length;
    });
    const met = new Set();
    // A large page is the same again and again: so many are looked at.
    for (let press = 0; press < Math.min(wanted + 5, 120); press += 1) {
      await page.keyboard.press('Tab');
      const [at, ring] = await page.evaluate(() => {
        const one = document.activeElement;
        const style = getComputedStyle(one);
        const box = one.getBoundingClientRect();
        const shown = box.bottom > 0 && box.top < innerHeight && box.right > 0;
        const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
        return [one.dataset.at, ring && shown];
      });
      if (at === undefined) break;
      met.add(at);
      if (!ring) problems.push(`${name}: element ${at} has the focus and does not show it`);
    }
    if (met.size < Math.min(wanted, 120)) problems.push(`${name}: of ${wanted} elements the keyboard reaches ${met.size}`);
    reached = Math.max(reached, met.size);
    // Enter unfolds what has the focus.
    const first = page.locator('summary').first();
    if (await first.count()) {
      await first.focus();
      await page.keyboard.press('Enter');
      if (!(await page.evaluate(() => document.querySelector('details').open))) problems.push(`${name}: Enter does not unfold`);
    }
    await context.close();

    const judged = await open({ ...options, bypassCSP: true });
    await fold(judged.page, true);
    await judged.page.evaluate(axe);
    const found = await judged.page.evaluate(() =>
      window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'], resultTypes: ['violations'] }));
    for (const violation of found.violations) {
      const node = violation.nodes[0];
      problems.push(`${name}: ${violation.id} (${violation.nodes.length}): ${node.html.slice(0, 160)}: ${node.failureSummary}`);
    }
    await judged.context.close();
  }
}

// On paper: A4 upright without its margins, in CSS pixels.
const { page, context } = await open({ viewport: { width: 703, height: 1000 }, colorScheme: 'light' });
await page.emulateMedia({ media: 'print' });
const paper = await page.evaluate(() => {
  const cut = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
  const folded = [...document.querySelectorAll('details > .in')].filter((one) => one.getBoundingClientRect().height < 5);
  return { cut: cut.slice(0, 3).map((one) => one.outerHTML.slice(0, 160)), folded: folded.length };
});
problems.push(...paper.cut.map((one) => `on paper: cut off: ${one}`));
if (paper.folded) problems.push(`on paper: ${paper.folded} parts stay folded`);
const pdf = await page.pdf({ format: 'A4', printBackground: true });
if (pictures) (await import('node:fs')).writeFileSync(join(pictures, `${basename(path)}.pdf`), pdf);
await context.close();
await browser.close();

const kib = Math.ceil(statSync(path).size / 1024);
console.log(`${basename(path)}: ${kib} KiB, ${reached} places for the keyboard, judged in ${Math.round((Date.now() - start) / 1000)} s, ${problems.length} problems`);
if (problems.length) {
  // The same at every width and in every scheme is one problem.
  const seen = new Set();
  const first = problems.filter((one) => {
    const same = one.replace(/^\S+ \S+ /, '').replace(/\d+/g, '#');
    return !seen.has(same) && seen.add(same);
  });
  console.error(first.slice(0, 12).join('\n'));
  process.exit(1);
}
