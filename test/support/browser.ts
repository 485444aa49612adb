import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { buildDashboard } from "../../scripts/build-dashboard.ts";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Whether there is a browser; without one the tests of the dashboard are skipped. */
export const hasBrowser = existsSync(EXECUTABLE);

/** Debian's Chromium, which asks nobody outside of this machine. */
export interface TestBrowser extends AsyncDisposable {
  /** A page of its own, with what must not happen on any: errors, and what the Content-Security-Policy had to stop. */
  open(url: string, options?: OpenOptions): Promise<TestPage>;
}

export interface OpenOptions {
  readonly scheme?: "light" | "dark";
  /** As wide as a phone. */
  readonly phone?: boolean;
  readonly cookies?: Parameters<BrowserContext["addCookies"]>[0];
}

export interface TestPage extends AsyncDisposable {
  readonly page: Page;
  /** Fails the test when the page had an error or broke its policy. */
  expectClean(): void;
}

/** Starts it, after the dashboard was built. */
export async function startBrowser(): Promise<TestBrowser> {
  await buildDashboard();
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--force-color-profile=srgb",
      "--disable-lcd-text",
      "--font-render-hinting=none",
    ],
  });
  return {
    open: (url, options) => open(browser, url, options),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function open(browser: Browser, url: string, options: OpenOptions = {}): Promise<TestPage> {
  const { scheme = "light", phone = false, cookies } = options;
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: phone ? { width: 390, height: 844 } : { width: 1200, height: 780 },
    locale: "en-GB",
    reducedMotion: "reduce",
  });
  if (cookies !== undefined) await context.addCookies(cookies);
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Answers that are no success are told here too, and are what some tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      wrong.push(`console: ${message.text()}`);
  });
  await page.addInitScript({
    content: `addEventListener("securitypolicyviolation", (event) =>
      console.error("policy:", event.violatedDirective, event.blockedURI, event.sample));`,
  });
  await page.goto(url);
  return {
    page,
    expectClean: () => expect(wrong).toEqual([]),
    [Symbol.asyncDispose]: () => context.close(),
  };
}
