"""What people may ask of their data: found, packed, corrected, restricted, erased, and proven, inside the clock."""
