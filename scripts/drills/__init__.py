"""`make drill`: every case of `fairlead drill list` that the lab can play, n times, measured by `fairlead drill probe` in the lab's client."""
