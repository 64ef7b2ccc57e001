# What `ssh nerves.local` begins with.
IO.puts("""
WarmBox: WarmBox.status() says what drives the heater, how evolution is, and who is on the mesh.
""")
