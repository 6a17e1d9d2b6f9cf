import { init } from 'echarts';
import type { Summary } from './summary.ts';

/** What came of all policies under one profile. */
export interface ProfileSummary {
  readonly profile: string;
  readonly summaries: readonly Summary[];
}

/** Each question, its unit, and what a policy's answer is. The less, the better, for all of them. */
const QUESTIONS = [
  {
    title: 'Who loses rows?',
    unit: '% of the reads of new rows',
    answer: ({ lost }: Summary) => lost * 100,
  },
  {
    title: 'Who shows old versions?',
    unit: '% of the reads of changed rows',
    answer: ({ stale }: Summary) => stale * 100,
  },
  {
    title: 'Who loads the primary?',
    unit: '% of all reads that asked it for a row',
    answer: ({ onReplica }: Summary) => (1 - onReplica) * 100,
  },
  {
    title: 'Who makes users wait?',
    unit: 'mean ms of the reads of rows not there yet',
    answer: ({ late }: Summary) => late.mean,
  },
];

const SYMBOLS = [
  'circle',
  'rect',
  'triangle',
  'diamond',
  'emptyCircle',
  'emptyRect',
  'emptyTriangle',
];

const WIDTH = 1280;
const ROW = 46;
const TOP = 170;
const LEFT = 270;
const GAP = 36;

/** The questions side by side: a row for each policy, and a mark for each profile. As an SVG. */
export function drawPolicies(profiles: readonly ProfileSummary[], stamp: string): string {
  const policies = profiles[0]?.summaries.map(({ policy }) => policy).toReversed() ?? [];
  const height = TOP + policies.length * ROW + 90;
  const width = (WIDTH - LEFT - GAP * QUESTIONS.length) / QUESTIONS.length;
  const lefts = QUESTIONS.map((_, index) => LEFT + index * (width + GAP));
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: [
      {
        text: 'Reading from a replica that lags: what each policy costs',
        subtext:
          'Each mark is one pattern of lag. The further to the left, the better. ' +
          `From “one blind retry” to “strong”, they are levels of this package.\n${stamp}`,
        left: 20,
        top: 14,
      },
      ...QUESTIONS.map(({ title, unit }, index) => ({
        text: title,
        subtext: unit,
        left: lefts[index],
        top: 104,
        textStyle: { fontSize: 14 },
        subtextStyle: { fontSize: 10.5 },
        itemGap: 4,
      })),
    ],
    legend: {
      bottom: 12,
      itemGap: 28,
      itemWidth: 14,
      data: profiles.map(({ profile }) => profile),
    },
    grid: lefts.map((left) => ({ left, width, top: TOP, height: policies.length * ROW })),
    xAxis: QUESTIONS.map((_, gridIndex) => ({ gridIndex, type: 'value', min: 0 })),
    yAxis: QUESTIONS.map((_, gridIndex) => ({
      gridIndex,
      type: 'category',
      data: policies,
      axisLabel: { show: gridIndex === 0, fontSize: 13 },
      axisTick: { show: false },
      splitLine: { show: true },
    })),
    series: profiles.flatMap(({ profile, summaries }, number) =>
      QUESTIONS.map(({ answer }, axis) => ({
        type: 'scatter',
        name: profile,
        xAxisIndex: axis,
        yAxisIndex: axis,
        symbol: SYMBOLS[number % SYMBOLS.length],
        symbolSize: 11,
        itemStyle: { opacity: 0.8 },
        data: summaries.map((summary) => [answer(summary), summary.policy]),
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
