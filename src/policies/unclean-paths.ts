import type { Policy } from "./policy.ts";

/**
 * What becomes of paths that servers read in more than one way (`/admin/..%2fx`). The dispatcher sees to it before the
 * handlers, so that these have the path that the instance is asked for; the field of the policy set is the value.
 */
export const uncleanPaths: Policy<"unclean_paths"> = {
  key: "unclean_paths",
  set: (value) => ({ unclean_paths: value }),
};
