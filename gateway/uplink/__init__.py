"""The city's side: one MQTT 5 connection that carries records up and wishes down."""
