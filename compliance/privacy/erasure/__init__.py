"""Erasure (Art. 17): planned row by row, decided by two people, carried out, looked at by another reader, certified."""
