import { createHmac } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { liveProcesses } from "../support/live-processes.ts";
import { listen } from "../support/network.ts";
import { useHost } from "./host.ts";
import { useShell } from "./shell.ts";

const shell = useShell();
const host = useHost(shell, "hooks");

/** A folder of its own, with a script in it that a hook runs. */
async function script(text: string): Promise<{ folder: string; path: string }> {
  const folder = join(shell.home().path, `folder-of-${host.network}`);
  await mkdir(folder, { recursive: true });
  const path = join(folder, "hook.sh");
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o700);
  return { folder, path };
}

const patient = { timeoutMs: 30_000 };

async function log(): Promise<string> {
  return readFile(join(shell.state(), "background", "background.log"), "utf8");
}

interface Post {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A server that keeps what is posted to it, and answers with what it is told. */
async function receivePosts(answer: (index: number) => number): Promise<{ url: string; posts: Post[] }> {
  const posts: Post[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      posts.push({ headers: request.headers, body });
      response.writeHead(answer(posts.length - 1)).end();
    });
  });
  const port = await listen(server);
  onCleanup(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close").catch(() => undefined);
  });
  return { url: `http://127.0.0.1:${port}/pilink`, posts };
}

describe("--on-message", { timeout: 120_000 }, () => {
  it("gets the message on its input and in its environment, and nothing of it in its line", async () => {
    const sender = await host.open();
    const { folder, path } = await script(
      `env > "$1/environment"; cat > "${join(shell.home().path, "$PILINK_ID.json")}"; printf '%s|%s|%s|%s|%s|%s' "$PILINK_FROM" "$PILINK_TYPE" "$PILINK_NETWORK" "$PILINK_NAME" "$PILINK_VERIFIED" "$PILINK_BODY" > "$1/$PILINK_ID.txt"; echo "$#" > "$1/count"`,
    );
    await shell.does(["join", host.network, "--name", "build", "--background", "--on-message", `${path} ${folder}`], {
      env: { PILINK_USERNAME: "me", PILINK_PASSWORD: "hidden" },
    });
    const evil = `'; touch ${folder}/pwned; echo "$(touch ${folder}/pwned)" \`touch ${folder}/pwned\` \u001b[31mred`;
    const [outcome] = await sender.send("build", evil, { type: "task" });
    const text = join(folder, `${outcome?.id}.txt`);
    const seen = await eventually(() => readFile(text, "utf8"), patient);
    // What a terminal would obey is taken out for the environment, and only there.
    expect(seen).toBe(`dev|task|${host.network}|build|1|${evil.replace("\u001b[31m", "")}`);
    const envelope = JSON.parse(await readFile(join(shell.home().path, `${outcome?.id}.json`), "utf8"));
    expect(envelope).toMatchObject({
      v: 1,
      id: outcome?.id,
      from: "dev",
      to: "build",
      body: evil,
      hops: 0,
      verified: true,
    });
    await eventually(async () => expect((await readFile(join(folder, "count"), "utf8")).trim()).toBe("1"), patient);
    expect(await readdir(folder)).not.toContain("pwned");
    expect(await readFile(join(folder, "environment"), "utf8")).not.toContain("hidden");
    // A hook is told of the message; whoever takes it is somebody else.
    expect((await shell.does(["recv", "--json"])).json).toMatchObject([{ body: evil }]);
  });

  it("answers through the same peer, as often as agents may without a person (hazard 15)", async () => {
    const sender = await host.open();
    const pilink = `"${process.execPath}" "${join(import.meta.dirname, "../../cli/pilink.js")}"`;
    await shell.does([
      "join",
      host.network,
      "--name",
      "echo",
      "--background",
      "--on-message",
      `${pilink} send "$PILINK_FROM" --re "$PILINK_ID" "you said: $PILINK_BODY"`,
    ]);
    await sender.send("echo", "hello");
    for await (const { body, re, id } of sender) {
      expect(body).toBe("you said: hello");
      expect(re).toBe(sender.sent[0]?.id);
      const entry = (await shell.does(["log", "--as", "echo", "--network", host.network, "--json"])).json.find(
        (line) => line.id === id,
      );
      expect(entry).toMatchObject({ direction: "out", peer: "dev" });
      break;
    }
  });

  it("that fails, hangs or cannot take a body so large holds up no delivery, and is logged", async () => {
    const sender = await host.open();
    const { path, folder } = await script(
      `[ "$PILINK_FROM" = dev ] || exit 9\ncase "$PILINK_BODY" in fail) echo "no such build" >&2; exit 3;; hang) exec sleep 600;; esac\nwc -c > "$1/$PILINK_ID.size"`,
    );
    await shell.does(["join", host.network, "--name", "build", "--background", "--on-message", `${path} ${folder}`]);
    for (let count = 0; count < 6; count += 1) await sender.send("build", "hang");
    for (let count = 0; count < 6; count += 1) await sender.send("build", "fail");
    const outcomes = await sender.send("build", "x".repeat(1024 * 1024));
    expect(outcomes).toMatchObject([{ state: "received" }]);
    expect((await shell.does(["recv", "--json"])).json).toHaveLength(13);
    // Four of those that hang occupy every place; the peer's end is theirs, too.
    await shell.does(["leave"]);
    await eventually(async () => expect(await liveProcesses("sleep 600")).toEqual([]), patient);
    expect(await log()).toContain("the command was ended: the background peer has ended");
    await shell.does(["join", host.network, "--name", "build", "--background", "--on-message", `${path} ${folder}`]);
    await sender.send("build", "fail");
    const [large] = await sender.send("build", "x".repeat(1024 * 1024));
    await eventually(async () => expect(await log()).toContain("the command ended with 3: no such build"), patient);
    await eventually(
      async () =>
        expect(Number(await readFile(join(folder, `${large?.id}.size`), "utf8"))).toBeGreaterThan(1024 * 1024),
      patient,
    );
  });
});

describe("--webhook", { timeout: 120_000 }, () => {
  it("posts each event, signed, and again where it is not taken at first", async () => {
    const sender = await host.open();
    const { url, posts } = await receivePosts((index) => (index === 0 ? 503 : 204));
    await shell.does(["join", host.network, "--name", "build", "--background", "--webhook", url], {
      env: { PILINK_WEBHOOK_SECRET: "shared" },
    });
    const [outcome] = await sender.send("build", { tests: "red" }, { type: "result" });
    await eventually(() => expect(posts).toHaveLength(2), patient);
    const [first, second] = posts;
    expect(JSON.parse(second?.body ?? "")).toMatchObject({
      event: "message",
      network: host.network,
      peer: "build",
      id: outcome?.id,
      from: "dev",
      body: { tests: "red" },
      type: "result",
    });
    expect(second?.body).toBe(first?.body);
    expect(first?.headers["x-pilink-id"]).toBe(second?.headers["x-pilink-id"]);
    for (const { headers, body } of posts) {
      const expected = createHmac("sha256", "shared").update(`${headers["x-pilink-time"]}.${body}`).digest("hex");
      expect(headers).toMatchObject({
        "x-pilink-event": "message",
        "x-pilink-signature": `sha256=${expected}`,
        "content-type": "application/json",
      });
    }
    await sender.close();
    await eventually(
      () => expect(posts.map(({ headers }) => headers["x-pilink-event"])).toEqual(["message", "message", "closed"]),
      patient,
    );
  });

  it("that refuses is logged, and holds up nothing; without a secret nothing is signed", async () => {
    const sender = await host.open();
    const { url, posts } = await receivePosts(() => 404);
    await shell.does(["join", host.network, "--name", "build", "--background", "--webhook", url]);
    await sender.send("build", "one");
    await eventually(async () => expect(await log()).toContain("it was answered with 404 (tried 1 times)"), patient);
    expect(posts[0]?.headers).not.toHaveProperty("x-pilink-signature");
    expect(await sender.send("build", "two")).toMatchObject([{ state: "received" }]);
  });
});

describe("--notify-dir", { timeout: 120_000 }, () => {
  it("gets one whole file for each event, in order", async () => {
    const sender = await host.open();
    const folder = join(shell.home().path, "notices");
    await shell.does(["join", host.network, "--name", "build", "--background", "--notify-dir", folder]);
    for (const body of ["one", "two", "three"]) await sender.send("build", body);
    await eventually(
      async () => expect((await readdir(folder)).filter((name) => name.endsWith(".json"))).toHaveLength(3),
      patient,
    );
    await sender.close();
    const names = await eventually(async () => {
      const found = (await readdir(folder)).sort();
      expect(found).toHaveLength(4);
      return found;
    }, patient);
    const told = await Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8"))));
    expect(told.map(({ event, body, reason }) => body ?? [event, typeof reason])).toEqual([
      "one",
      "two",
      "three",
      ["closed", "string"],
    ]);
  });
});
