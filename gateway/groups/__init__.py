"""Speaking to a street at once: keys that lampposts share, broadcasts, dimming, presence waves."""
