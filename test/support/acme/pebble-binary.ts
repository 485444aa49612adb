import { goBinary, type Mend } from "./go-binary.ts";

const FILE = "wfe/wfe.go";

/**
 * Its answer to a question for an authorization holds the authorization's lock while it looks the account up, which takes the
 * database's; a new order looks for authorizations that may be used again with these locks in the other order. With a
 * third who wants to write, all wait for each other, and then nothing is answered any more: in one of four runs with some hundred
 * orders at once, seen in the goroutines of such a Pebble. The look-up comes first here.
 */
const authorizationLock: readonly Mend[] = [
  {
    file: FILE,
    from: "\tauthz.Lock()\n\tdefer authz.Unlock()\n\tauthz.Order.RLock()\n",
    to: "\taccount, accountProb := wfe.validPOSTAsGET(postData)\n\tauthz.Lock()\n\tdefer authz.Unlock()\n\tauthz.Order.RLock()\n",
  },
  {
    file: FILE,
    from: "\t\taccount, prob := wfe.validPOSTAsGET(postData)\n\t\tif prob != nil {\n\t\t\twfe.sendError(prob, response)\n",
    to: "\t\tif accountProb != nil {\n\t\t\twfe.sendError(accountProb, response)\n",
  },
];

/**
 * Its answer to a question for an order holds the order's read lock twice, and the end of the order between the two stops it
 * in the same way: https://github.com/letsencrypt/pebble/issues/554, mended after v2.10.1.
 */
const orderLock: readonly Mend[] = [
  {
    file: FILE,
    from: "\torderAccountID := order.AccountID\n\tdefer order.RUnlock()\n",
    to: "\torderAccountID, orderStatus := order.AccountID, order.Status\n\torder.RUnlock()\n",
  },
  {
    file: FILE,
    from: "\tif order.Status == acme.StatusProcessing {",
    to: "\tif orderStatus == acme.StatusProcessing {",
  },
];

/** Path of Pebble, a real ACME authority for tests, without the two ways in which it stops under load. */
export const pebbleBinary = (): Promise<string> =>
  goBinary({
    module: "github.com/letsencrypt/pebble/v2",
    folder: "cmd/pebble",
    version: "v2.10.1",
    mends: [...authorizationLock, ...orderLock],
  });
