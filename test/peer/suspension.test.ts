import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Suspension } from "../../peer/suspension.ts";

const closingMs = 300_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function makeSuspension(isHostDead: () => Promise<boolean> = async () => false) {
  const port = {
    onSuspended: vi.fn(),
    onResumed: vi.fn(),
    onExpired: vi.fn(),
    onHostDead: vi.fn(),
    isHostDead: vi.fn(isHostDead),
    nowMs: () => performance.now(),
  };
  const suspension = new Suspension(closingMs, port);
  suspension.setConnected(true);
  return { suspension, port };
}

describe("a network without its host, hazard 6", () => {
  it("is suspended at once, and over after the closing time [END-1] [END-7]", async () => {
    const { suspension, port } = makeSuspension();
    expect(suspension.isSuspended).toBe(false);
    suspension.suspend();
    suspension.suspend();
    expect(suspension.isSuspended).toBe(true);
    expect(port.onSuspended).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(closingMs - 1);
    expect(port.onExpired).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("counts the closing time only while connected: who was cut off reaches no verdict of its own [END-7]", async () => {
    const { suspension, port } = makeSuspension();
    suspension.suspend();
    for (let cut = 0; cut < 3; cut += 1) {
      await vi.advanceTimersByTimeAsync(closingMs / 4);
      suspension.setConnected(false);
      suspension.setConnected(false);
      await vi.advanceTimersByTimeAsync(10 * closingMs);
      suspension.setConnected(true);
      suspension.setConnected(true);
    }
    await vi.advanceTimersByTimeAsync(closingMs / 4 - 1);
    expect(port.onExpired).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("gives the host's record the time to come on a new connection, however little of the closing time is left [END-7]", async () => {
    const { suspension, port } = makeSuspension();
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(closingMs - 1);
    suspension.setConnected(false);
    suspension.setConnected(true);
    await vi.advanceTimersByTimeAsync(900);
    expect(port.onExpired).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("is over once more on each new connection, until it is closed or the host is back [END-7]", async () => {
    const { suspension, port } = makeSuspension();
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(closingMs);
    suspension.setConnected(false);
    suspension.setConnected(true);
    await vi.advanceTimersByTimeAsync(closingMs);
    expect(port.onExpired).toHaveBeenCalledTimes(2);
    suspension.setConnected(false);
    suspension.setConnected(true);
    suspension.resume();
    await vi.advanceTimersByTimeAsync(closingMs);
    expect(port.onExpired).toHaveBeenCalledTimes(2);
    suspension.close();
  });

  it("does not count at all where the loss is found out while cut off [END-7]", async () => {
    const { suspension, port } = makeSuspension();
    suspension.setConnected(false);
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(2 * closingMs);
    expect(port.onExpired).not.toHaveBeenCalled();
    suspension.setConnected(true);
    await vi.advanceTimersByTimeAsync(closingMs);
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("resumes with the same life of the host, and has the whole time at the next loss [END-4]", async () => {
    const { suspension, port } = makeSuspension();
    suspension.resume();
    expect(port.onResumed).not.toHaveBeenCalled();
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(closingMs - 1);
    suspension.resume();
    suspension.resume();
    expect(port.onResumed).toHaveBeenCalledOnce();
    expect(suspension.isSuspended).toBe(false);
    const looks = port.isHostDead.mock.calls.length;
    await vi.advanceTimersByTimeAsync(2 * closingMs);
    expect(port.onExpired).not.toHaveBeenCalled();
    expect(port.isHostDead).toHaveBeenCalledTimes(looks);
    suspension.suspend();
    expect(port.onSuspended).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(closingMs - 1);
    expect(port.onExpired).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("ends as soon as the host's process is seen dead, and looks often at first [END-6]", async () => {
    let isDead = false;
    const { suspension, port } = makeSuspension(async () => isDead);
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(4_500);
    expect(port.isHostDead).toHaveBeenCalledTimes(6);
    expect(port.onHostDead).not.toHaveBeenCalled();
    isDead = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(port.onHostDead).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(port.onHostDead).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("looks again at once when the connection is back [END-6]", async () => {
    let isDead = false;
    const { suspension, port } = makeSuspension(async () => isDead);
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(60_000);
    suspension.setConnected(false);
    isDead = true;
    suspension.setConnected(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(port.onHostDead).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("takes it for no proof of death that the host's lock cannot be read, and goes on looking [END-7] [ERR-2]", async () => {
    const { suspension, port } = makeSuspension(() => Promise.reject(new Error("EACCES")));
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(closingMs);
    expect(port.isHostDead.mock.calls.length).toBeGreaterThan(20);
    expect(port.onHostDead).not.toHaveBeenCalled();
    expect(port.onExpired).toHaveBeenCalledOnce();
    suspension.close();
  });

  it("does not believe a look that ends after the host is back [END-4]", async () => {
    const look = Promise.withResolvers<boolean>();
    const { suspension, port } = makeSuspension(() => look.promise);
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(0);
    suspension.resume();
    look.resolve(true);
    await vi.advanceTimersByTimeAsync(closingMs);
    expect(port.onHostDead).not.toHaveBeenCalled();
    suspension.close();
  });

  it("does nothing more when it is closed", async () => {
    const look = Promise.withResolvers<boolean>();
    const { suspension, port } = makeSuspension(() => look.promise);
    suspension.suspend();
    await vi.advanceTimersByTimeAsync(0);
    suspension.close();
    suspension.close();
    look.resolve(true);
    suspension.resume();
    suspension.suspend();
    suspension.setConnected(false);
    suspension.setConnected(true);
    await vi.advanceTimersByTimeAsync(2 * closingMs);
    expect(port.onExpired).not.toHaveBeenCalled();
    expect(port.onHostDead).not.toHaveBeenCalled();
    expect(port.onResumed).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
