defmodule Cambrian.Options do
  @moduledoc false
  # The lists of options in the docs of Elixir modules, from the tables of Erlang modules.

  # How Erlang's tables say what Elixir says otherwise.
  @words [
    {~r/\ba fun of the stats\b/, "a function of `t:Cambrian.Population.stats/0`"},
    {~r/\bthe stats of each generation\b/, "`t:Cambrian.Population.stats/0`"},
    {~r/\ba fun\b/, "a function"},
    {~r/\ba map\b/, "a keyword list or a map of `Cambrian.parameters/0`"},
    {~r/\ba device\b(?= or a function)/, "`:standard_error`, the pid of a device"},
    {~r/^a substrate$/, "a `Cambrian.Substrate`"},
    {~r/^a genotype, or/, "a `Cambrian.Genotype`, or"},
    {~r/\b(infinity|connected)\b/, "`:\\1`"},
    {~r/\b(true|false)\b/, "`\\1`"}
  ]

  # The options of a population or of `Cambrian.evolve/2` that are for one of these; `:all` are the
  # options of both.
  def list(whose) do
    rows =
      for row <- :cambrian_population_options.table(), Map.get(row, :for, :all) in whose, do: row

    Enum.map_join(rows, "\n", fn row ->
      "  * `:#{row.name}` - #{Enum.join([in_elixir(row.expected) | default(row)], "; ")}. " <>
        "#{sentence(row.text)}.#{more(row)}"
    end)
  end

  defp default(%{required: true}), do: ["required"]
  defp default(%{default: {:value, value}}), do: ["default `#{inspect(elixir_value(value))}`"]
  defp default(%{default: {:drawn, _draw, words}}), do: ["default " <> in_elixir(words)]
  defp default(%{default: {:words, words}}), do: ["default " <> in_elixir(words)]
  defp default(_row), do: []

  defp elixir_value(value) when value == %{}, do: []
  defp elixir_value(value), do: value

  defp more(%{more: more}), do: " " <> in_elixir(more) <> "."
  defp more(_row), do: ""

  defp sentence(text) do
    {first, rest} = String.next_grapheme(in_elixir(text))
    String.upcase(first) <> rest
  end

  defp in_elixir(text) do
    words = Enum.reduce(@words, text, fn {word, own}, text -> Regex.replace(word, text, own) end)
    Regex.replace(~r/`([a-z_]+)`/, words, fn quoted, name -> named(name, quoted) end)
  end

  defp named("evolve", _quoted), do: "`Cambrian.evolve/2`"
  defp named(boolean, quoted) when boolean in ["true", "false"], do: quoted
  defp named(name, _quoted), do: "`:#{name}`"
end
