"""azure-iot-device over MQTT."""
