import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SpeedMeter } from '../../../src/nix/speed-meter.ts';

describe('SpeedMeter', () => {
  it('tells the speed of the last seconds, not of all', () => {
    const meter = new SpeedMeter(0);
    for (let at = 100; at <= 20_000; at += 100) meter.reached(at * 10, at);
    assert.equal(Math.round(meter.speed(20_000)), 10_000);
    for (let at = 20_100; at <= 30_000; at += 100) meter.reached(200_000 + (at - 20_000), at);
    assert.equal(Math.round(meter.speed(30_000)), 1000);
  });

  it('has no speed before something came, nor after nothing came for a while', () => {
    const meter = new SpeedMeter(1000);
    assert.equal(meter.speed(1000), 0);
    assert.equal(meter.speed(60_000), 0);
    meter.reached(5_000_000, 61_000);
    assert.ok(meter.speed(61_000) > 0);
    assert.ok(meter.speed(65_000) > 0);
    assert.equal(meter.speed(70_000), 0);
    assert.equal(meter.speed(900_000), 0);
  });

  it('takes a first moment for no more than it is', () => {
    const meter = new SpeedMeter(0);
    meter.reached(1000, 1);
    assert.equal(meter.speed(1), 4000);
  });

  it('begins anew when the work does', () => {
    const meter = new SpeedMeter(0);
    for (let at = 100; at <= 5000; at += 100) meter.reached(at * 1000, at);
    meter.reached(0, 5100);
    assert.equal(meter.speed(5200), 0);
    meter.reached(2000, 6100);
    assert.equal(Math.round(meter.speed(6100)), 2000);
  });

  it('keeps few samples, however often it is told', () => {
    const meter = new SpeedMeter(0);
    for (let at = 0; at < 1_000_000; at += 1) meter.reached(at, at / 100);
    assert.equal(Math.round(meter.speed(10_000)), 100_000);
  });
});
