"""The Jinja template of the page that `apertune datasets describe` writes, and the style that pages share."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } img { max-width: 100% } code { color: #666 }
""".strip()

TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ facts.name }}: data set</title>
<style>
{{ style | safe }}
</style>
</head>
<body>
<h1>{{ facts.name }}</h1>
<p>{{ facts.task }}, {{ facts.classes | length }} classes, images of
{{ facts.image_shape[1] }}&times;{{ facts.image_shape[0] }} pixels,
{{ "grey" if facts.image_shape[2] == 1 else "colour" }}.
{% if facts.licence %}Licence: {{ facts.licence }}.{% endif %}
Fingerprint <code>{{ facts.fingerprint }}</code></p>
{% if facts.notes %}<ul>{% for note in facts.notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}
<table>
<tr><th>class</th>{% for split in splits %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name, counts in facts.classes.items() %}
<tr><td>{{ name }}</td>{% for split in splits %}<td>{{ counts[split] }}</td>{% endfor %}</tr>
{% endfor %}
<tr><th>images</th>{% for split in splits %}<th>{{ facts.images[split] }}</th>{% endfor %}</tr>
<tr><td>accuracy of always answering the largest class</td>
{% for split in splits %}{% set share = facts.majority_accuracy[split] %}
<td>{{ "" if share is none else "%.3f" | format(share) }}</td>{% endfor %}</tr>
</table>
{% if facts.imbalance and not facts.untrained_classes %}
<p>The largest class has {{ "%.1f" | format(facts.imbalance) }} times the training images of
the smallest.</p>{% endif %}
{% if facts.untrained_classes %}<p>No training image of: {{ facts.untrained_classes | join(", ") }}.</p>{% endif %}
{% for title, picture in plots.items() %}
<h2>{{ title }}</h2>
<img src="{{ picture }}" alt="{{ title }}">
{% endfor %}
</body>
</html>
"""
