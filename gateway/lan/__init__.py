"""The local network: mosquitto on the gateway, TLS, one credential per lamppost, SMP over MQTT."""
