// Ask a device what a reader may like next, and show the titles: node recommend.js ann
"use strict";

const { randomUUID } = require("node:crypto");
const { parseArgs } = require("node:util");
const mqtt = require("mqtt");

const TIMEOUT_MS = 10_000;

/**
 * Ask for the best items of a user, by request and response of MQTT 5.
 *
 * @param {mqtt.MqttClient} client a connected client of MQTT 5
 * @param {string} device name of the device
 * @param {object} request such as {user: "ann", k: 3, attributes: true}
 * @returns {Promise<object>} the answer: {user, items, attributes}
 */
async function recommend(client, device, request) {
  const number = randomUUID();
  const responseTopic = `bookshop/answers/${number}`;
  const correlationData = Buffer.from(number);
  await client.subscribeAsync(responseTopic, { qos: 1 });
  try {
    return await new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${device} does not answer`)), TIMEOUT_MS).unref();
      client.on("message", (topic, payload, packet) => {
        if (topic !== responseTopic || !packet.properties?.correlationData?.equals(correlationData)) return;
        const answer = JSON.parse(payload.toString());
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer);
      });
      client.publish(
        `edgedescent/${device}/recommend`,
        JSON.stringify(request),
        { qos: 1, properties: { responseTopic, correlationData } },
        (error) => error && reject(error),
      );
    });
  } finally {
    client.removeAllListeners("message");
    await client.unsubscribeAsync(responseTopic);
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      broker: { type: "string", default: "mqtt://localhost:1883" },
      device: { type: "string", default: "shop-3" },
      k: { type: "string", default: "3" },
    },
  });
  const [user] = positionals;
  if (!user) throw new Error("expected a user: node recommend.js ann");
  const client = await mqtt.connectAsync(values.broker, { protocolVersion: 5 }, false);
  try {
    const answer = await recommend(client, values.device, { user, k: Number(values.k), attributes: true });
    console.log(`For ${user}:`);
    answer.items.forEach((item, i) => {
      const about = answer.attributes[i];
      console.log(`${i + 1}. ${about ? `${about.title}, by ${about.author}` : item}`);
    });
  } finally {
    await client.endAsync();
  }
}

main().catch((error) => {
  console.error(`recommend.js: ${error.message}`);
  process.exitCode = 1;
});
