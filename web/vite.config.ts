import { defineConfig } from "vite";

/** The dashboard's bundle. `scripts/build-dashboard.ts` runs it; by itself: `vite build web`. */
export default defineConfig({
  root: import.meta.dirname,
  logLevel: "warn",
  publicDir: false,
  // The same whoever builds it: Vite has names of source files stand in the bundle where NODE_ENV is that of tests.
  oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
  build: {
    target: "es2022",
    // The Content-Security-Policy takes no data: addresses but for images, and no script in the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
  },
});
