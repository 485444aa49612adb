import { afterAll, beforeAll } from "vitest";

/**
 * What the tests of a file, or of a `describe`, share: started before the first of them, and disposed of after the last
 * one. What is used first is started first and goes last, so that a later one may be made of an earlier one. The thing
 * stands behind a proxy: it can be named where tests are collected, and is there when they run.
 */
export function use<Thing extends object>(start: () => Thing | Promise<Thing>): Thing {
  let thing: Thing | undefined;
  beforeAll(async () => {
    thing = await start();
  });
  afterAll(async () => {
    const { [Symbol.asyncDispose]: dispose, [Symbol.dispose]: disposeNow } = (thing ?? {}) as Partial<
      AsyncDisposable & Disposable
    >;
    await dispose?.call(thing);
    if (dispose === undefined) disposeNow?.call(thing);
  });
  const started = (): Thing => {
    if (thing === undefined) throw new Error("used before the tests run");
    return thing;
  };
  return new Proxy({} as Thing, {
    get: (_, key) => {
      const target = started();
      const value: unknown = Reflect.get(target, key);
      // Methods of a class are bound, so that they find its private members.
      return typeof value === "function" && !Object.hasOwn(target, key) ? value.bind(target) : value;
    },
    set: (_, key, value) => Reflect.set(started(), key, value),
  });
}
