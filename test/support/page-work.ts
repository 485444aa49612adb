import type { CDPSession, Page } from "playwright-core";

/** Processor time that a page's own thread has taken, in seconds: others use the machine too. */
export async function busySeconds(devtools: CDPSession): Promise<number> {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN;
}

/** Scrolls a virtual list, a little at a time and now and then far. Returns the page's processor time for a frame, in milliseconds. */
export async function scrollingMs(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const before = await busySeconds(devtools);
  const frames = (await page.evaluate(`(async () => {
    const list = document.querySelector(".v-list");
    let frame = 0;
    for (; frame < 240; frame++) {
      list.scrollTop += frame % 60 === 59 ? list.scrollHeight / 5 : 150;
      await new Promise(requestAnimationFrame);
    }
    return frame;
  })()`)) as number;
  return (1_000 * ((await busySeconds(devtools)) - before)) / frames;
}
