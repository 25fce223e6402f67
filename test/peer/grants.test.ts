import { describe, expect, it } from "vitest";
import { birthLimitMs, type Grant, Grants } from "../../peer/grants.ts";

const request = (name: string, epoch: string, box = `box-${epoch}`, former?: string) => ({ name, epoch, box, former });
const grantOf = (epoch: string, box = `box-${epoch}`): Grant => ({ epoch, box });
const nobodyIsGone = async () => false;

describe("the names that a host grants, hazard 8", () => {
  it("gives a name that was never granted, left, or is of the same life, box or former life [LIFE-10]", async () => {
    const grants = new Grants(nobodyIsGone, () => 0);
    expect(await grants.request(request("dev", "e1"))).toBeUndefined();
    expect(await grants.request(request("dev", "e1"))).toBeUndefined();
    expect(await grants.request(request("dev", "e2", "box-e1"))).toBeUndefined();
    expect(grants.get("dev")).toEqual(grantOf("e2", "box-e1"));
    expect(await grants.request(request("dev", "e3", "box-e3", "e2"))).toBeUndefined();
    grants.release("dev", "e3");
    expect(grants.get("dev")).toBeUndefined();
    expect(await grants.request(request("dev", "e4"))).toBeUndefined();
    expect(grants.get("dev")).toEqual(grantOf("e4"));
  });

  it("finds a life that was not born in time, and no other [LIFE-10]", async () => {
    let nowMs = 0;
    const grants = new Grants(nobodyIsGone, () => nowMs);
    for (const name of ["late", "born", "gone"]) await grants.request(request(name, `e-${name}`));
    grants.adopt("born", grantOf("e-born"));
    grants.adopt("late", grantOf("e-other"));
    grants.release("gone", "e-gone");
    grants.adopt("here", grantOf("e-here"));
    nowMs = birthLimitMs - 1;
    expect(grants.isStillborn("late")).toBe(false);
    nowMs = birthLimitMs;
    expect(["late", "born", "gone", "here"].filter((name) => grants.isStillborn(name))).toEqual(["late"]);
    // The same life asks again, and has its time again only if it is another one.
    await grants.request(request("born", "e-born"));
    nowMs += birthLimitMs;
    expect(grants.isStillborn("born")).toBe(false);
  });

  it("refuses any other with an offer that nobody holds [LIFE-11]", async () => {
    const grants = new Grants(nobodyIsGone, () => 0);
    for (const [index, name] of ["dev", "dev-2", "dev-4"].entries()) await grants.request(request(name, `e${index}`));
    expect(await grants.request(request("dev", "other"))).toBe("dev-3");
    expect(await grants.request(request("dev-2", "other"))).toBe("dev-3");
    expect(await grants.request(request("dev", "other", "box-other", "e-unknown"))).toBe("dev-3");
    expect(grants.get("dev")).toEqual(grantOf("e0"));
    expect(grants.get("dev-3")).toBeUndefined();
  });

  it("asks whether the holder is gone, and only where that matters [LIFE-10]", async () => {
    const asked: [string, Grant][] = [];
    const grants = new Grants(
      async (name, grant) => {
        asked.push([name, grant]);
        return grant.epoch === "ghost";
      },
      () => 0,
    );
    await grants.request(request("dev", "ghost"));
    await grants.request(request("prod", "living"));
    expect(asked).toEqual([]);
    expect(await grants.request(request("dev", "e2"))).toBeUndefined();
    expect(await grants.request(request("prod", "e3"))).toBe("prod-2");
    expect(asked).toEqual([
      ["dev", grantOf("ghost")],
      ["prod", grantOf("living")],
    ]);
  });

  it("gives a ghost's name to one of two who ask while the ghost is looked into [LIFE-10] [LIFE-11]", async () => {
    const verdict = Promise.withResolvers<boolean>();
    const grants = new Grants(
      () => verdict.promise,
      () => 0,
    );
    await grants.request(request("dev", "ghost"));
    const first = grants.request(request("dev", "e1"));
    const second = grants.request(request("dev", "e2"));
    const repeated = grants.request(request("dev", "e1"));
    verdict.resolve(true);
    expect(await Promise.all([first, second])).toEqual([undefined, "dev-2"]);
    expect(grants.get("dev")).toEqual(grantOf("e1"));
    // A broker may deliver one request twice: both answers have to be the same.
    expect(await repeated).toBeUndefined();
  });

  it("gives a name whose holder left while it was looked into [LIFE-10]", async () => {
    const verdict = Promise.withResolvers<boolean>();
    const grants = new Grants(
      () => verdict.promise,
      () => 0,
    );
    await grants.request(request("dev", "e1"));
    const asking = grants.request(request("dev", "e2"));
    grants.release("dev", "e1");
    verdict.resolve(false);
    expect(await asking).toBeUndefined();
  });

  it("does not give to the asker what another was granted meanwhile, also where the former holder is gone", async () => {
    const verdict = Promise.withResolvers<boolean>();
    const grants = new Grants(
      () => verdict.promise,
      () => 0,
    );
    await grants.request(request("dev", "ghost"));
    const asking = grants.request(request("dev", "e1"));
    grants.release("dev", "ghost");
    await grants.request(request("dev", "e2"));
    verdict.resolve(true);
    expect(await asking).toBe("dev-2");
    expect(grants.get("dev")).toEqual(grantOf("e2"));
  });

  it("notes who is here without a grant, and never takes a name from its holder by that", () => {
    const grants = new Grants(nobodyIsGone, () => 0);
    grants.adopt("dev", grantOf("e1"));
    grants.adopt("dev", grantOf("e2"));
    expect(grants.get("dev")).toEqual(grantOf("e1"));
    grants.release("dev", "e2");
    expect(grants.get("dev")).toEqual(grantOf("e1"));
  });
});
