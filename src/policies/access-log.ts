import type { Policy } from "./policy.ts";

/** Which requests get a line in the access log. The dispatcher writes it when the request has ended. */
export const accessLog: Policy<"access_log"> = {
  key: "access_log",
  onLayer4: true,
  set: (value) => ({ access_log: value }),
};
