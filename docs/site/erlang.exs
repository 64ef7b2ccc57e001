defmodule Site.Erlang do
  @moduledoc "The pages of Erlang's modules, from the chunks that EDoc wrote."

  import Site.Links, only: [escape: 1]
  alias Site.Layout

  @titles %{
    "src" => "Erlang",
    "base" => "Erlang: errors and texts",
    "genome" => "Erlang: genome",
    "task" => "Erlang: tasks",
    "run" => "Erlang: populations",
    "mesh" => "Erlang: mesh",
    "trust" => "Erlang: trust",
    "transport" => "Erlang: transports",
    "watch" => "Erlang: watching",
    "picture" => "Erlang: pictures",
    "shell" => "Erlang: command line"
  }

  # The name of a type in a spec, with its module.
  @type_name ~r/(?<![\w#&:])(?:([a-z]\w*):)?([a-z]\w*)\(/

  @doc "`{Title, Pages}` of each folder of src/, in the order in which they build on each other."
  def sections do
    by_folder =
      "src/**/*.erl" |> Path.wildcard() |> Enum.filter(&public?/1) |> Enum.group_by(&folder/1)

    order = ~w(src base genome task run mesh trust transport watch picture shell)
    folders = Enum.filter(order, &by_folder[&1]) ++ Enum.sort(Map.keys(by_folder) -- order)

    for folder <- folders,
        do: {@titles[folder] || "Erlang: #{folder}", Enum.map(by_folder[folder], &page/1)}
  end

  defp public?(file), do: not String.starts_with?(File.read!(file), "%% @private")
  defp folder(file), do: file |> Path.dirname() |> Path.basename()

  defp page(file) do
    module = file |> Path.basename(".erl") |> String.to_atom()
    {:docs_v1, _, :erlang, "application/erlang+html", about, _, docs} = chunk(module)
    shown = docs |> shown(module) |> Enum.sort_by(fn doc -> elem(doc, 1)[:location] end)

    %{
      # Not to be taken for Elixir's where the file system does not tell `a` from `A`.
      file: "#{module}.erl.html",
      title: "#{module}",
      module: "#{module}:",
      names: ["#{module}", ":#{module}" | Enum.flat_map(shown, &names(module, &1))],
      body: fn -> body(about, shown, types(module, shown)) end
    }
  end

  defp chunk(module) do
    "_build/default/lib/cambrian/doc/chunks/#{module}.chunk"
    |> File.read!()
    |> :erlang.binary_to_term()
  end

  # Functions that are exported and have a doc, as the others are callbacks of OTP; callbacks; and types that are exported
  # or in the specs of these.
  defp shown(docs, module) do
    functions = module.module_info(:exports)
    {:ok, types} = Code.Typespec.fetch_types(module)
    exported = for {kind, {name, _, args}} <- types, kind != :typep, do: {name, length(args)}

    {types, others} = Enum.split_with(docs, &match?({{:type, _, _}, _, _, _, _}, &1))
    others = Enum.filter(others, &has_doc?(&1, functions))

    {open, inner} =
      Enum.split_with(types, fn {{_, name, arity}, _, _, _, _} -> {name, arity} in exported end)

    specs =
      Enum.map_join(open ++ others, fn {_, _, _, _, meta} ->
        meta |> Map.get(:signature, []) |> Enum.map_join(&pretty/1)
      end)

    others ++
      open ++
      Enum.filter(inner, fn {{_, name, _}, _, _, _, _} -> specs =~ ~r/(?<![\w:])#{name}\(/ end)
  end

  defp has_doc?({{:function, name, arity}, _, _, doc, _}, exported),
    do: is_map(doc) and doc != %{} and {name, arity} in exported

  defp has_doc?({{:callback, _, _}, _, _, _, _}, _), do: true

  defp names(module, {{kind, name, arity}, _, _, _, _} = doc) do
    spelled =
      for text <- ["#{module}:#{name}/#{arity}", ":#{module}.#{name}/#{arity}"],
          do: {text, id(doc)}

    case kind do
      :function -> spelled
      :callback -> [{"c:#{module}:#{name}/#{arity}", id(doc)}]
      :type -> [{"#{module}:#{name}()", id(doc)}, {":#{module}.#{name}()", id(doc)}]
    end
  end

  defp types(module, docs),
    do:
      {module,
       for({{:type, name, _}, _, _, _, _} = doc <- docs, do: {"#{name}", id(doc)}, into: %{})}

  defp body(about, shown, types) do
    of = fn wanted -> for {{^wanted, _, _}, _, _, _, _} = doc <- shown, do: item(doc, types) end

    Layout.module(html(about), [
      {"Types", of.(:type)},
      {"Callbacks", of.(:callback)},
      {"Functions", of.(:function)}
    ])
  end

  defp item({{_, name, arity}, _, signature, doc, meta} = entry, types) do
    head = if meta[:signature], do: "#{name}/#{arity}", else: Enum.join(signature, " ")

    %{
      id: id(entry),
      name: "#{name}/#{arity}",
      head: head,
      spec: spec(meta[:signature], types),
      doc: html(doc)
    }
  end

  defp id({{:function, name, arity}, _, _, _, _}), do: "#{name}/#{arity}"
  defp id({{:callback, name, arity}, _, _, _, _}), do: "c:#{name}/#{arity}"
  defp id({{:type, name, arity}, _, _, _, _}), do: "t:#{name}/#{arity}"

  # As in the source, with the names of types as links. Of a type of a private module, what it is.
  defp spec(nil, _), do: ""

  defp spec(attributes, types) do
    text = Enum.map_join(attributes, "\n", &pretty/1)

    [String.replace_prefix(text, "-spec ", "") | private(text)]
    |> Enum.map_join("\n\n", &(&1 |> escape() |> link(types)))
  end

  defp link(text, {module, types}) do
    Regex.replace(@type_name, text, fn whole, other, type ->
      cond do
        other in ["", "#{module}"] and types[type] ->
          ~s(<a href="##{types[type]}">#{type}</a>\()

        id = type(other, type)[:public] ->
          ~s(<a href="#{other}.erl.html##{id}">#{other}:#{type}</a>\()

        true ->
          whole
      end
    end)
  end

  # Those that the text names, and those that these name.
  defp private(text, seen \\ []) do
    found =
      for [_, module, name] <- Regex.scan(@type_name, text),
          type = type(module, name)[:private],
          do: type

    Enum.reduce(Enum.uniq(found) -- seen, [], fn type, all ->
      if type in all, do: all, else: all ++ [type | private(type, seen ++ all ++ [type])]
    end)
    |> Enum.uniq()
  end

  # Of another module: where a public one tells of it, or what a private one says that it is.
  defp type("cambrian" <> _ = module, name) do
    {_, _, _, _, about, _, docs} = chunk(module)

    case Enum.find(
           docs,
           &match?({{:type, ^name, _}, _, _, _, _}, put_elem(&1, 0, spelled(elem(&1, 0))))
         ) do
      nil ->
        nil

      doc when is_map(about) ->
        [public: id(doc)]

      {_, _, _, _, meta} ->
        [private: meta[:signature] |> Enum.map_join(&pretty/1) |> qualified(module)]
    end
  end

  defp type(_, _), do: nil

  defp spelled({kind, name, arity}), do: {kind, "#{name}", arity}

  # A private type with the module that its own types are of.
  defp qualified("-type " <> text, module) do
    own = for {{:type, name, _}, _, _, _, _} <- elem(chunk(module), 6), do: "#{name}"

    whole =
      Regex.replace(@type_name, text, fn whole, other, name ->
        if other == "" and name in own, do: "#{module}:#{whole}", else: whole
      end)

    "-type " <> whole
  end

  defp qualified(text, _), do: text

  defp pretty({:attribute, _, :opaque, {name, _, args}}),
    do: "-opaque #{name}(#{Enum.map_join(args, ", ", &elem(&1, 2))})."

  defp pretty(attribute),
    do: attribute |> :erl_pp.attribute(linewidth: 90) |> IO.chardata_to_string() |> String.trim()

  # ---- application/erlang+html ----------------------------------------------

  defp html(%{"en" => doc}),
    do: doc |> List.wrap() |> paragraphs() |> Enum.map_join("\n", &element/1)

  defp html(_), do: ""

  @inline [:a, :code, :em, :i, :b, :strong, :tt, :br]

  # What stands between blocks is a paragraph.
  defp paragraphs(doc) do
    inline? = fn part -> is_binary(part) or elem(part, 0) in @inline end

    doc
    |> Enum.chunk_by(inline?)
    |> Enum.flat_map(fn [first | _] = run ->
      if inline?.(first), do: [{:p, [], run}], else: run
    end)
  end

  defp element(text) when is_binary(text), do: escape(text)

  defp element({:pre, _, [text]}) when is_binary(text),
    do: "<pre><code>#{text |> dedent() |> escape()}</code></pre>"

  defp element({tag, attributes, content}) do
    {tag, attributes} = heading(tag, attributes, content)

    attributes =
      for {name, value} <- attributes,
          name in [:href, :id],
          do: ~s( #{name}="#{href(value, attributes[:rel])}")

    "<#{tag}#{attributes}>#{content |> List.wrap() |> Enum.map_join(&element/1)}</#{tag}>"
  end

  # EDoc's first order of headings is h3.
  defp heading(tag, _, content) when tag in [:h2, :h3, :h4],
    do: {:h2, [id: content |> text() |> slug()]}

  defp heading(tag, attributes, _), do: {tag, attributes}

  defp text(content) when is_list(content), do: Enum.map_join(content, &text/1)
  defp text(content) when is_binary(content), do: content
  defp text({_, _, content}), do: text(content)

  defp slug(text), do: text |> String.downcase() |> String.replace(~r/\W+/, "-")

  defp dedent(text) do
    lines = String.split(text, "\n")

    indent =
      lines
      |> Enum.reject(&(String.trim(&1) == ""))
      |> Enum.map(&(String.length(&1) - String.length(String.trim_leading(&1))))
      |> Enum.min()

    Enum.map_join(lines, "\n", &String.slice(&1, indent..-1//1))
  end

  defp href(to, nil), do: to

  defp href(to, rel) do
    [module | anchor] = String.split(to, "#", parts: 2)
    page = if module == "", do: "", else: "#{module}.erl.html"
    kind = Path.basename(rel)

    case {kind, anchor} do
      {_, []} -> page
      {"seetype", [anchor]} -> "#{page}#t:#{anchor}"
      {_, [anchor]} -> "#{page}##{anchor}"
    end
  end
end
