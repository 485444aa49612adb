import type { Command } from "commander";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { keepalivedConfig, keepalivedProblems } from "../keepalived.ts";
import { collect } from "./shared.ts";

interface Options {
  readonly address: readonly string[];
  readonly interface: string;
  readonly peer: readonly string[];
  readonly priority: string;
  readonly readyUrl: string;
  readonly routerId: string;
}

/** `ha`: what several gateways need of the machine; it asks Gatewright for nothing. */
export function addHaCommands(program: Command, io: Io): void {
  const ha = program.command("ha").description("What several gateways need of their machines");
  ha.command("keepalived")
    .description("Write a configuration of keepalived, by which an address moves to a gateway that is ready")
    .requiredOption(
      "--address <address>",
      "address that moves, with its prefix length; may be repeated",
      collect,
    )
    .requiredOption("--interface <name>", "network interface on which it is")
    .option("--priority <number>", "of the gateways that are ready the highest takes it", "100")
    .option("--router-id <number>", "one for each group of gateways in a network", "51")
    .option(
      "--peer <address>",
      "another gateway, where the network has no multicast; may be repeated",
      collect,
      [],
    )
    .option("--ready-url <url>", "where this gateway says that it is ready", "http://127.0.0.1:8080/ready")
    .action(({ address, peer, priority, routerId, ...rest }: Options) => {
      const options = {
        ...rest,
        addresses: address,
        peers: peer,
        priority: Number(priority),
        routerId: Number(routerId),
      };
      const problems = keepalivedProblems(options);
      if (problems.length > 0) throw new Failure(problems.join("\n"), exitCodes.usage);
      io.stdout.write(keepalivedConfig(options));
    });
}
