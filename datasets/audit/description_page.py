"""The Jinja template of the page that `apertune datasets describe` writes."""

TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ facts.name }}: data set</title>
<style>
{{ style | safe }}
td.bars { width: 45%; min-width: 120px }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 410px), 1fr)); gap: 8px 20px }
.examples figure { margin: 0; overflow: hidden }
.examples img { margin: 2px 0 }
@media (max-width: 600px) {
  .counts { font-size: 12px } .counts th, .counts td { padding-right: 5px }
  td.bars, td.bars .bar { min-width: 60px }
}
</style>
</head>
<body>
<main>
<h1>{{ facts.name }}</h1>
<p class="soft">{{ facts.task }}, images of {{ facts.image_shape[1] }}&times;{{ facts.image_shape[0] }} pixels in
{{ "grey" if facts.image_shape[2] == 1 else "colour" }}.
{% if facts.licence %}Licence: {{ facts.licence }}.{% endif %}
Fingerprint <code>{{ facts.fingerprint }}</code></p>
<div class="cards">
<div class="card"><span class="soft">images</span><strong>{{ "{:,}".format(total) }}</strong></div>
<div class="card"><span class="soft">classes</span><strong>{{ facts.classes | length }}</strong></div>
{% if facts.imbalance and not facts.untrained_classes %}
<div class="card"><span class="soft">largest class to smallest, in training</span>
<strong>{{ "%.1f" | format(facts.imbalance) }} to 1</strong></div>
{% endif %}
{% if majority is not none %}
<div class="card"><span class="soft">{{ majority_words }}</span><strong>{{ "%.3f" | format(majority) }}</strong></div>
{% endif %}
</div>
{% if facts.untrained_classes %}
<section class="verdict warned">No training image of: {{ facts.untrained_classes | join(", ") }}.</section>
{% endif %}
{% if facts.notes %}
<section><h2>Notes</h2><ul>{% for note in facts.notes %}<li>{{ note }}</li>{% endfor %}</ul></section>
{% endif %}
<section><h2>Images of each class</h2>
{% macro row(name, counts) %}
<tr><td>{{ name }}</td>{% for split in splits %}<td class="number">{{ "{:,}".format(counts[split]) }}</td>{% endfor %}
<td class="bars"><div class="bar">{% for split in splits %}
<i style="width: {{ "%.2f" | format(100 * counts[split] / most) }}%; background: {{ colors[loop.index0] }}"></i>
{%- endfor %}</div></td></tr>
{% endmacro %}
{% macro head() %}
<tr><th>class</th>{% for split in splits %}<th class="number">
<span class="swatch" style="background: {{ colors[loop.index0] }}"></span>{{ split }}</th>{% endfor %}<th></th></tr>
{% endmacro %}
<table class="wide counts">
{{ head() }}
{% for name, counts in first %}{{ row(name, counts) }}{% endfor %}
<tr><th>all images</th>{% for split in splits %}<th class="number">{{ "{:,}".format(facts.images[split]) }}</th>
{% endfor %}<th></th></tr>
</table>
{% if others %}
<details><summary>{{ others | length }} more classes</summary><div class="inside"><table class="wide counts">
{{ head() }}
{% for name, counts in others %}{{ row(name, counts) }}{% endfor %}
</table></div></details>
{% endif %}
</section>
<section><h2>Examples from training</h2>
<div class="examples">
{% for name, strip in examples %}
<figure><figcaption class="small">{{ name }}</figcaption>
{%- if strip %}{{ strip | safe }}{% else %}<span class="soft small">none</span>{% endif %}</figure>
{% endfor %}
</div>
{% if facts.classes | length > examples | length %}
<p class="soft small">The first {{ examples | length }} of {{ facts.classes | length }} classes.</p>
{% endif %}
</section>
<section><h2>Sizes before resizing</h2>
{% if sizes | length == 1 %}
<p>All images are {{ sizes[0][0] }}&times;{{ sizes[0][1] }} pixels.</p>
{% elif not size_plot %}
<table><tr><th>size in pixels</th><th class="number">images</th></tr>
{% for width, height, number in sizes %}
<tr><td>{{ width }}&times;{{ height }}</td><td class="number">{{ "{:,}".format(number) }}</td></tr>
{% endfor %}
</table>
{% else %}
<p>From {{ facts.sizes.smallest[0] }}&times;{{ facts.sizes.smallest[1] }} to
{{ facts.sizes.largest[0] }}&times;{{ facts.sizes.largest[1] }} pixels, median
{{ facts.sizes.median[0] }}&times;{{ facts.sizes.median[1] }}.</p>
<img src="{{ size_plot }}" alt="Widths and heights of the images">
{% endif %}
</section>
{% if together_plot %}
<section><h2>Classes that occur together</h2>
<p class="soft small">Images that carry both the row's and the column's class; on the diagonal, all of a class.</p>
<img src="{{ together_plot }}" alt="Images by pair of classes">
</section>
{% endif %}
</main>
</body>
</html>
"""
