import Config

if Mix.target() == :host do
  import_config "host.exs"
else
  import_config "target.exs"
end
