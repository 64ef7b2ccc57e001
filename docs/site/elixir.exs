defmodule Site.Elixir do
  @moduledoc "The pages of Elixir's modules and mix tasks."

  import Site.Links, only: [escape: 1]
  alias Site.{Layout, Markdown}

  def pages do
    {:ok, modules} = :application.get_key(:cambrian, :modules)

    for module <- Enum.sort_by(modules, &{task?(&1), inspect(&1)}),
        String.starts_with?("#{module}", "Elixir."),
        page = page(module),
        do: page
  end

  defp task?(module), do: String.starts_with?("#{module}", "Elixir.Mix.Tasks.")

  defp page(module) do
    case Code.fetch_docs(module) do
      {:docs_v1, _, :elixir, "text/markdown", %{"en" => about}, _, docs} ->
        page(module, about, docs)

      _ ->
        nil
    end
  end

  defp page(module, about, docs) do
    name = inspect(module)
    title = if task?(module), do: "mix " <> Mix.Task.task_name(module), else: name

    shown =
      docs |> Enum.filter(&shown?(&1, module)) |> Enum.sort_by(fn {_, at, _, _, _} -> at end)

    %{
      file: "#{name}.html",
      title: title,
      module: name <> ".",
      names: [name, title | Enum.flat_map(shown, &names(name, &1))],
      body: fn -> body(module, about, shown) end
    }
  end

  # What has a doc; of a mix task only what is said of it.
  defp shown?({{kind, name, _}, _, _, doc, _}, module) do
    doc != :hidden and not task?(module) and
      (kind in [:type, :callback, :macrocallback] or is_map(doc)) and
      not (name in [:__struct__, :exception, :message] and doc == :none)
  end

  defp names(module, {{kind, name, arity}, _, _, _, _} = doc) do
    case kind do
      :type -> [{"t:#{module}.#{name}/#{arity}", id(doc)}, {"#{module}.#{name}()", id(doc)}]
      :callback -> [{"c:#{module}.#{name}/#{arity}", id(doc)}]
      _ -> defaults(doc, fn arity -> {"#{module}.#{name}/#{arity}", id(doc)} end)
    end
  end

  # A function with defaults has other arities too.
  defp defaults({{_, _, arity}, _, _, _, meta}, each),
    do: Enum.map((arity - Map.get(meta, :defaults, 0))..arity, each)

  defp body(module, about, shown) do
    texts = [
      about | Enum.map(shown, fn {_, _, _, doc, _} -> if is_map(doc), do: doc["en"], else: "" end)
    ]

    [about | docs] = texts |> Markdown.render_all()
    specs = specs(module)

    items =
      for {{{kind, _, _}, _, _, _, _} = entry, doc} <- Enum.zip(shown, docs),
          do: {kind, item(entry, doc, specs)}

    of = fn kinds -> for {kind, item} <- items, kind in kinds, do: item end

    Layout.module(about, [
      {"Types", of.([:type])},
      {"Callbacks", of.([:callback, :macrocallback])},
      {"Functions", of.([:function, :macro])}
    ])
  end

  defp item({{kind, name, arity}, _, signature, _, _} = entry, doc, specs) do
    head =
      if kind in [:function, :macro] and signature != [],
        do: Enum.join(signature, " "),
        else: "#{name}/#{arity}"

    %{
      id: id(entry),
      name: "#{name}/#{arity}",
      head: head,
      spec: specs |> Map.get({kind, name, arity}, []) |> spec(),
      doc: demote(doc)
    }
  end

  # Below the name of a function a heading is of fourth order.
  defp demote(html), do: Regex.replace(~r{<(/?)h2}, html, "<\\1h4")

  defp id({{:type, name, arity}, _, _, _, _}), do: "t:#{name}/#{arity}"

  defp id({{kind, name, arity}, _, _, _, _}) when kind in [:callback, :macrocallback],
    do: "c:#{name}/#{arity}"

  defp id({{_, name, arity}, _, _, _, _}), do: "#{name}/#{arity}"

  defp specs(module) do
    with_specs = fn
      kind, {:ok, all} ->
        for {{name, arity}, specs} <- all,
            into: %{},
            do: {{kind, name, arity}, Enum.map(specs, &quoted(kind, name, &1))}

      _, :error ->
        %{}
    end

    types =
      case Code.Typespec.fetch_types(module) do
        {:ok, types} ->
          for {sort, {name, _, args} = type} <- types,
              into: %{},
              do: {{:type, name, length(args)}, [type(sort, type)]}

        :error ->
          %{}
      end

    types
    |> Map.merge(with_specs.(:function, Code.Typespec.fetch_specs(module)))
    |> Map.merge(with_specs.(:callback, Code.Typespec.fetch_callbacks(module)))
  end

  defp quoted(kind, name, spec) do
    word = if kind == :callback, do: "@callback", else: "@spec"
    "#{word} #{spec |> then(&Code.Typespec.spec_to_quoted(name, &1)) |> Macro.to_string()}"
  end

  defp type(:opaque, {name, _, _}), do: "@opaque #{name}()"

  defp type(sort, type),
    do: "@#{sort} #{type |> Code.Typespec.type_to_quoted() |> Macro.to_string()}"

  # Types of other modules are links.
  defp spec(texts) do
    text =
      texts
      |> Enum.map_join(
        "\n",
        &(&1 |> Code.format_string!(line_length: 98) |> IO.iodata_to_binary())
      )
      |> escape()

    Regex.replace(
      ~r/(?<![\w.])(Cambrian(?:\.[A-Z]\w*)*)\.([a-z_]\w*)\(\)/,
      text,
      ~s(<a href="\\1.html#t:\\2/0">\\1.\\2\(\)</a>)
    )
  end
end
